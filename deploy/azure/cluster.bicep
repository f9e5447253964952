// Kubernetes, its pools of machines, the registry that it pulls from, and the workspace that logs go to.

param name string
param location string
param operatorId string
param operatorType string
param nodesSubnetId string
param registryName string
param systemVmSize string
param gpuPools array

// Built-in roles, by the names that Azure's documentation has for them.
var roles = {
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  clusterAdmin: 'b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b' // Azure Kubernetes Service RBAC Cluster Admin
  clusterUser: '4abbcc35-e782-43d8-92c5-2d3f1bd2253f' // Azure Kubernetes Service Cluster User Role
  networkContributor: '4d97b98b-1d4f-4787-a291-c67834d212e7'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-cluster'
  location: location
}

// For the load balancer of the gateways, which has an address of the nodes' subnet.
resource nodesSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-05-01' existing = {
  name: '${name}/nodes'
}

resource mayUseSubnet 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(nodesSubnetId, identity.id, roles.networkContributor)
  scope: nodesSubnet
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.networkContributor)
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: name
  location: location
  properties: { sku: { name: 'PerGB2018' }, retentionInDays: 30 }
}

resource registry 'Microsoft.ContainerRegistry/registries@2023-07-01' = {
  name: registryName
  location: location
  sku: { name: 'Standard' }
  properties: { adminUserEnabled: false }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2025-05-01' = {
  name: name
  location: location
  sku: { name: 'Base', tier: 'Standard' }
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identity.id}': {} } }
  dependsOn: [mayUseSubnet]
  properties: {
    dnsPrefix: name
    // People come by Entra ID alone.
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: { managed: true, enableAzureRBAC: true }
    oidcIssuerProfile: { enabled: true }
    securityProfile: { workloadIdentity: { enabled: true } }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      // It is what enforces the network policies of ../kubernetes.
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      loadBalancerSku: 'standard'
      podCidr: '10.244.0.0/16'
      serviceCidr: '10.0.0.0/16'
      dnsServiceIP: '10.0.0.10'
    }
    addonProfiles: {
      azureKeyvaultSecretsProvider: { enabled: true, config: { enableSecretRotation: 'true', rotationPollInterval: '2m' } }
      omsagent: { enabled: true, config: { logAnalyticsWorkspaceResourceID: logs.id, useAADAuth: 'true' } }
    }
    storageProfile: { fileCSIDriver: { enabled: true } }
    autoUpgradeProfile: { upgradeChannel: 'patch', nodeOSUpgradeChannel: 'NodeImage' }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        vmSize: systemVmSize
        osSKU: 'AzureLinux'
        enableAutoScaling: true
        minCount: 2
        maxCount: 5
        vnetSubnetID: nodesSubnetId
        upgradeSettings: { maxSurge: '1' }
      }
    ]
  }
}

// One after the other: a cluster takes one change at a time.
@batchSize(1)
resource pools 'Microsoft.ContainerService/managedClusters/agentPools@2025-05-01' = [
  for pool in gpuPools: {
    parent: cluster
    name: pool.name
    properties: {
      mode: 'User'
      vmSize: pool.vmSize
      osSKU: 'Ubuntu'
      osDiskSizeGB: 256
      enableAutoScaling: true
      minCount: pool.minCount
      maxCount: pool.maxCount
      vnetSubnetID: nodesSubnetId
      gpuProfile: { driver: 'Install' }
      // What needs no GPU stays away; workers tolerate it.
      nodeTaints: ['nvidia.com/gpu=present:NoSchedule']
      // A machine more while one is replaced would be a GPU more, which a quota seldom has.
      upgradeSettings: { maxSurge: '0', maxUnavailable: '1', drainTimeoutInMinutes: 10 }
    }
  }
]

resource mayPull 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, cluster.id, roles.acrPull)
  scope: registry
  properties: {
    principalId: cluster.properties.identityProfile.kubeletidentity.objectId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.acrPull)
  }
}

resource operates 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in [roles.clusterAdmin, roles.clusterUser]: {
    name: guid(cluster.id, operatorId, role)
    scope: cluster
    properties: {
      principalId: operatorId
      principalType: operatorType
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// Which of the containers' logs and events go to the workspace.
resource collection 'Microsoft.Insights/dataCollectionRules@2023-03-11' = {
  name: '${name}-containers'
  location: location
  kind: 'Linux'
  properties: {
    dataSources: {
      extensions: [
        {
          name: 'ContainerInsightsExtension'
          extensionName: 'ContainerInsights'
          streams: ['Microsoft-ContainerLogV2', 'Microsoft-KubeEvents', 'Microsoft-KubePodInventory']
          extensionSettings: {
            dataCollectionSettings: { interval: '1m', namespaceFilteringMode: 'Off', enableContainerLogV2: true }
          }
        }
      ]
    }
    destinations: { logAnalytics: [{ name: 'logs', workspaceResourceId: logs.id }] }
    dataFlows: [
      {
        streams: ['Microsoft-ContainerLogV2', 'Microsoft-KubeEvents', 'Microsoft-KubePodInventory']
        destinations: ['logs']
      }
    ]
  }
}

resource collects 'Microsoft.Insights/dataCollectionRuleAssociations@2023-03-11' = {
  name: 'ContainerInsightsExtension'
  scope: cluster
  properties: { dataCollectionRuleId: collection.id }
}

output name string = cluster.name
output oidcIssuer string = cluster.properties.oidcIssuerProfile.issuerURL
output registry string = registry.properties.loginServer
