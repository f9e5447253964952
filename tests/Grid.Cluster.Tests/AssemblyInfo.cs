// Most of a test is waiting for processes. Two at a time are what two cores bear; those that use the shared clusters take turns.
[assembly: Xunit.v3.Parallelization(MaxThreads = 2)]
[assembly: AssemblyFixture(typeof(Grid.Cluster.Tests.Support.RedisServer))]
[assembly: AssemblyFixture(typeof(Grid.Cluster.Tests.Support.PostgresServer))]
[assembly: AssemblyFixture(typeof(Grid.Cluster.Tests.Support.SharedClusters))]
