// Clusters of several silos, one at a time: the tests share few cores.
[assembly: CollectionBehavior(CollectionBehavior.CollectionPerAssembly)]
