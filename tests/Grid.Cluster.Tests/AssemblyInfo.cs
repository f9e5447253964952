// Every test starts processes that want the cores for themselves.
[assembly: CollectionBehavior(CollectionBehavior.CollectionPerAssembly)]
[assembly: AssemblyFixture(typeof(Grid.Cluster.Tests.Support.RedisServer))]
[assembly: AssemblyFixture(typeof(Grid.Cluster.Tests.Support.PostgresServer))]
[assembly: AssemblyFixture(typeof(Grid.Cluster.Tests.Support.SharedClusters))]
