// A share that all nodes mount at /models: one of them downloads a model, the others wait for it (the lock of the hub's cache).

param name string
param location string
param nodesSubnetId string
param sizeGiB int

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  kind: 'FileStorage'
  sku: { name: 'Premium_LRS' }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    // NFS has no HTTPS: the network is what keeps others out.
    supportsHttpsTrafficOnly: false
    networkAcls: {
      defaultAction: 'Deny'
      bypass: 'None'
      virtualNetworkRules: [{ id: nodesSubnetId, action: 'Allow' }]
    }
  }

  resource files 'fileServices' = {
    name: 'default'

    resource models 'shares' = {
      name: 'models'
      properties: { enabledProtocols: 'NFS', rootSquash: 'NoRootSquash', shareQuota: sizeGiB }
    }
  }
}

output account string = account.name
