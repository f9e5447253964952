using Grid.Benchmarks;

ChainBenchmark.Run();
