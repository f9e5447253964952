// One network: nodes, and the store beside them. Pods have addresses of an overlay's, which is not part of it.

param name string
param location string

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
    subnets: [
      {
        name: 'nodes'
        properties: {
          addressPrefix: '10.20.0.0/20'
          // The models' storage and the vault take nobody who does not come from here.
          serviceEndpoints: [{ service: 'Microsoft.Storage' }, { service: 'Microsoft.KeyVault' }]
        }
      }
      {
        name: 'postgres'
        properties: {
          addressPrefix: '10.20.16.0/28'
          delegations: [
            { name: 'postgres', properties: { serviceName: 'Microsoft.DBforPostgreSQL/flexibleServers' } }
          ]
        }
      }
    ]
  }

  resource nodes 'subnets' existing = { name: 'nodes' }

  resource postgres 'subnets' existing = { name: 'postgres' }
}

output id string = network.id
output nodesSubnetId string = network::nodes.id
output postgresSubnetId string = network::postgres.id
