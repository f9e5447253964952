// Prints, as JSON, what src/Grid.Cuda/Driver states about the driver API and NVRTC: sizes and offsets of structures,
// values of constants, and for every function the name that the library exports, the kinds of its parameters
// (p: pointer, 1, 4 and 8: integers of that many bytes, f4: float) and whether the library on this machine exports it.
// Captured with CUDA 13.0:
//   g++ -std=c++17 -I/usr/local/cuda/include driver_layout.cpp -ldl -o driver_layout && ./driver_layout > driver_layout.json
#include <cuda.h>
#include <nvrtc.h>
#include <dlfcn.h>
#include <cstddef>
#include <cstdio>
#include <type_traits>

static void* driver;
static void* compiler;
static const char* separator = "";

template <class T> const char* Kind() {
  if (std::is_pointer<T>::value) return "p";
  if (std::is_floating_point<T>::value) return sizeof(T) == 4 ? "f4" : "f8";
  return sizeof(T) == 1 ? "1" : sizeof(T) == 4 ? "4" : sizeof(T) == 8 ? "8" : "?";
}

template <class T> struct Signature;

template <class Result, class... Parameters>
struct Signature<Result(Parameters...)> {
  static void Print(void* library, const char* asked, const char* name);
};

template <class Result, class... Parameters>
void Signature<Result(Parameters...)>::Print(void* library, const char* asked, const char* name) {
  const char* kinds[] = {Kind<Result>(), Kind<Parameters>()...};
  std::printf("%s\n    \"%s\": { \"exported\": \"%s\", \"result\": \"%s\", \"parameters\": \"", separator, asked, name, kinds[0]);
  for (size_t i = 1; i <= sizeof...(Parameters); i++) std::printf("%s%s", i > 1 ? " " : "", kinds[i]);
  std::printf("\", \"found\": %s }", library != nullptr && dlsym(library, name) != nullptr ? "true" : "false");
  separator = ",";
}

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define DRIVER(f) Signature<decltype(f)>::Print(driver, #f, TEXT(f))
#define NVRTC(f) Signature<decltype(f)>::Print(compiler, #f, TEXT(f))
#define VALUE(c) (std::printf("%s\n    \"%s\": %lld", separator, #c, (long long)(c)), separator = ",")
#define SIZE(t) (std::printf("%s\n    \"%s\": %zu", separator, #t, sizeof(t)), separator = ",")
#define FIELD(t, f) (std::printf("%s\n    \"%s.%s\": %zu", separator, #t, #f, offsetof(t, f)), separator = ",")

int main() {
  driver = dlopen("libcuda.so.1", RTLD_NOW);
  compiler = dlopen("libnvrtc.so.13", RTLD_NOW);
  std::printf("{\n  \"cudaVersion\": %d,\n  \"layouts\": {", CUDA_VERSION);
  SIZE(CUdevice); SIZE(CUdeviceptr); SIZE(CUcontext); SIZE(CUstream); SIZE(CUresult);
  SIZE(CUuuid);
  SIZE(CUlaunchConfig);
  FIELD(CUlaunchConfig, gridDimX); FIELD(CUlaunchConfig, gridDimY); FIELD(CUlaunchConfig, gridDimZ);
  FIELD(CUlaunchConfig, blockDimX); FIELD(CUlaunchConfig, blockDimY); FIELD(CUlaunchConfig, blockDimZ);
  FIELD(CUlaunchConfig, sharedMemBytes); FIELD(CUlaunchConfig, hStream); FIELD(CUlaunchConfig, attrs); FIELD(CUlaunchConfig, numAttrs);
  SIZE(CUlaunchAttribute); FIELD(CUlaunchAttribute, id); FIELD(CUlaunchAttribute, value);
  SIZE(CUlaunchAttributeValue);
  FIELD(CUlaunchAttributeValue, clusterDim.x); FIELD(CUlaunchAttributeValue, clusterDim.y); FIELD(CUlaunchAttributeValue, clusterDim.z);
  FIELD(CUlaunchAttributeValue, programmaticStreamSerializationAllowed);
  SIZE(CUtensorMap);
  SIZE(CUgraphExecUpdateResultInfo);
  FIELD(CUgraphExecUpdateResultInfo, result); FIELD(CUgraphExecUpdateResultInfo, errorNode); FIELD(CUgraphExecUpdateResultInfo, errorFromNode);
  separator = "";
  std::printf("\n  },\n  \"constants\": {");
  VALUE(CUDA_SUCCESS); VALUE(CUDA_ERROR_INVALID_VALUE); VALUE(CUDA_ERROR_OUT_OF_MEMORY); VALUE(CUDA_ERROR_NO_DEVICE);
  VALUE(CUDA_ERROR_INVALID_DEVICE); VALUE(CUDA_ERROR_NOT_FOUND); VALUE(CUDA_ERROR_NOT_READY); VALUE(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  VALUE(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT); VALUE(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR); VALUE(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  VALUE(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN); VALUE(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
  VALUE(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK); VALUE(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES); VALUE(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES);
  VALUE(CU_FUNC_ATTRIBUTE_NUM_REGS); VALUE(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
  VALUE(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION); VALUE(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION);
  VALUE(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16); VALUE(CU_TENSOR_MAP_INTERLEAVE_NONE); VALUE(CU_TENSOR_MAP_SWIZZLE_128B);
  VALUE(CU_TENSOR_MAP_L2_PROMOTION_L2_256B); VALUE(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  VALUE(CU_STREAM_NON_BLOCKING); VALUE(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  VALUE(CU_EVENT_DEFAULT); VALUE(CU_EVENT_DISABLE_TIMING); VALUE(CU_MEMHOSTALLOC_PORTABLE);
  VALUE(NVRTC_SUCCESS); VALUE(NVRTC_ERROR_INVALID_OPTION); VALUE(NVRTC_ERROR_COMPILATION);
  separator = "";
  std::printf("\n  },\n  \"functions\": {");
  DRIVER(cuInit); DRIVER(cuDriverGetVersion); DRIVER(cuGetErrorName); DRIVER(cuGetErrorString);
  DRIVER(cuDeviceGetCount); DRIVER(cuDeviceGet); DRIVER(cuDeviceGetName); DRIVER(cuDeviceGetUuid); DRIVER(cuDeviceGetAttribute); DRIVER(cuDeviceTotalMem);
  DRIVER(cuDevicePrimaryCtxRetain); DRIVER(cuDevicePrimaryCtxRelease); DRIVER(cuCtxSetCurrent); DRIVER(cuCtxSynchronize);
  DRIVER(cuStreamCreate); DRIVER(cuStreamDestroy); DRIVER(cuStreamSynchronize); DRIVER(cuStreamQuery); DRIVER(cuStreamWaitEvent);
  DRIVER(cuEventCreate); DRIVER(cuEventRecord); DRIVER(cuEventSynchronize); DRIVER(cuEventQuery); DRIVER(cuEventElapsedTime); DRIVER(cuEventDestroy);
  DRIVER(cuMemAlloc); DRIVER(cuMemFree); DRIVER(cuMemGetInfo); DRIVER(cuMemHostAlloc); DRIVER(cuMemFreeHost);
  DRIVER(cuMemcpyHtoDAsync); DRIVER(cuMemcpyDtoHAsync); DRIVER(cuMemcpyDtoDAsync); DRIVER(cuMemsetD8Async);
  DRIVER(cuModuleLoadData); DRIVER(cuModuleUnload); DRIVER(cuModuleGetFunction); DRIVER(cuFuncGetAttribute); DRIVER(cuFuncSetAttribute); DRIVER(cuFuncGetParamInfo);
  DRIVER(cuLaunchKernelEx); DRIVER(cuOccupancyMaxActiveBlocksPerMultiprocessor); DRIVER(cuOccupancyMaxActiveClusters);
  DRIVER(cuTensorMapEncodeTiled);
  DRIVER(cuStreamBeginCapture); DRIVER(cuStreamEndCapture); DRIVER(cuGraphInstantiateWithFlags); DRIVER(cuGraphLaunch);
  DRIVER(cuGraphExecUpdate); DRIVER(cuGraphExecDestroy); DRIVER(cuGraphDestroy);
  NVRTC(nvrtcVersion); NVRTC(nvrtcGetErrorString); NVRTC(nvrtcCreateProgram); NVRTC(nvrtcCompileProgram); NVRTC(nvrtcDestroyProgram);
  NVRTC(nvrtcGetCUBINSize); NVRTC(nvrtcGetCUBIN); NVRTC(nvrtcGetPTXSize); NVRTC(nvrtcGetPTX);
  NVRTC(nvrtcGetProgramLogSize); NVRTC(nvrtcGetProgramLog);
  std::printf("\n  }\n}\n");
  return 0;
}
