// Where nodes find each other: a small PostgreSQL inside the network. It holds some rows for each node, and streams that may be resumed.

param name string
param location string
param subnetId string
param networkId string
param vaultName string

@secure()
@minLength(8)
param password string

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: '${name}.private.postgres.database.azure.com'
  location: 'global'

  resource link 'virtualNetworkLinks' = {
    name: 'grid'
    location: 'global'
    properties: { virtualNetwork: { id: networkId }, registrationEnabled: false }
  }
}

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: name
  location: location
  sku: { name: 'Standard_B1ms', tier: 'Burstable' }
  dependsOn: [zone::link]
  properties: {
    version: '16'
    administratorLogin: 'grid'
    administratorLoginPassword: password
    storage: { storageSizeGB: 32 }
    backup: { backupRetentionDays: 7 }
    network: { delegatedSubnetResourceId: subnetId, privateDnsZoneArmResourceId: zone.id }
  }

  resource database 'databases' = {
    name: 'grid'
  }
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName

  resource connection 'secrets' = {
    name: 'store-connection'
    properties: {
      value: 'Host=${server.properties.fullyQualifiedDomainName};Database=grid;Username=grid;Password=${password};SSL Mode=VerifyFull'
    }
  }
}
