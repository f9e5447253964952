// Programmatic dependent launch. A kernel launched with it may start while the one before it in the stream still runs.
#pragma once

// Waits until the kernel before has ended and its writes can be seen; nothing, where there is none. Every block calls it, before
// it reads what the other writes and before it writes anything the other may still read.
__device__ __forceinline__ void wait_for_previous_kernel() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

// Lets the next kernel start, once every block has called this or ended. It will still wait as above.
__device__ __forceinline__ void let_next_kernel_start() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
