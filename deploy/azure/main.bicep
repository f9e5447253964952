// A grid on AKS, in one resource group: README.md walks through it.

@description('Beginning of all names. The registry, the vault and the storage account get an ending of their own: their names are the world\'s.')
@minLength(3)
@maxLength(10)
param name string = 'grid'

param location string = resourceGroup().location

@description('Object id of the group or user that operates: it gets the cluster, and may read and write the vault\'s secrets.')
param operatorId string

@allowed(['Group', 'User', 'ServicePrincipal'])
param operatorType string = 'User'

@description('Pools of GPU machines. Standard_NC40ads_H100_v5 has one GPU, Standard_ND96isr_H200_v5 has eight.')
param gpuPools gpuPool[] = [
  {
    name: 'h100'
    vmSize: 'Standard_NC40ads_H100_v5'
    minCount: 1
    maxCount: 2
  }
]

@description('Machines for gateways and what Kubernetes itself needs.')
param systemVmSize string = 'Standard_D4s_v5'

@description('Where nodes find each other.')
@allowed(['postgres', 'redis'])
param store string = 'postgres'

@description('Password of PostgreSQL. Redis makes its own key.')
@secure()
param storePassword string = ''

@description('The secret that all nodes share: at least 16 characters.')
@secure()
@minLength(16)
param clusterSecret string

@description('The key file, as gateway/ACCESS.md has it.')
@secure()
param apiKeys string

@description('GiB for models, which all nodes share. The disk\'s speed grows with it.')
@minValue(100)
param modelsGiB int = 512

@description('What a pool of GPU machines is.')
type gpuPool = {
  @description('Lower case and digits.')
  @maxLength(12)
  name: string
  vmSize: 'Standard_NC40ads_H100_v5' | 'Standard_NC80adis_H100_v5' | 'Standard_ND96isr_H100_v5' | 'Standard_ND96isr_H200_v5'
  @minValue(0)
  minCount: int
  @minValue(1)
  maxCount: int
}

var ending = take(uniqueString(resourceGroup().id, name), 8)

module network 'network.bicep' = {
  name: 'network'
  params: { name: name, location: location }
}

module cluster 'cluster.bicep' = {
  name: 'cluster'
  params: {
    name: name
    location: location
    operatorId: operatorId
    operatorType: operatorType
    nodesSubnetId: network.outputs.nodesSubnetId
    registryName: '${name}${ending}'
    systemVmSize: systemVmSize
    gpuPools: gpuPools
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  params: {
    name: '${name}-${ending}'
    location: location
    operatorId: operatorId
    operatorType: operatorType
    nodesSubnetId: network.outputs.nodesSubnetId
    oidcIssuer: cluster.outputs.oidcIssuer
    clusterSecret: clusterSecret
    apiKeys: apiKeys
  }
}

module postgres 'postgres.bicep' = if (store == 'postgres') {
  name: 'postgres'
  params: {
    name: '${name}-${ending}'
    location: location
    subnetId: network.outputs.postgresSubnetId
    networkId: network.outputs.id
    vaultName: vault.outputs.name
    password: storePassword
  }
}

module redis 'redis.bicep' = if (store == 'redis') {
  name: 'redis'
  params: {
    name: '${name}-${ending}'
    location: location
    subnetId: network.outputs.nodesSubnetId
    networkId: network.outputs.id
    vaultName: vault.outputs.name
  }
}

module models 'models.bicep' = {
  name: 'models'
  params: {
    name: '${name}${ending}'
    location: location
    nodesSubnetId: network.outputs.nodesSubnetId
    sizeGiB: modelsGiB
  }
}

// What manifests.sh puts into the manifests.
output overlay string = store == 'postgres' ? 'azure-postgres' : 'azure'
output tenant string = tenant().tenantId
output identity string = vault.outputs.identityClientId
output vault string = vault.outputs.name
output registry string = cluster.outputs.registry
output modelsAccount string = models.outputs.account
output cluster string = cluster.outputs.name
