// The vault with the grid's secrets, and the identity by which its pods read them.

param name string
param location string
param operatorId string
param operatorType string
param nodesSubnetId string
param oidcIssuer string

@secure()
param clusterSecret string

@secure()
param apiKeys string

// Built-in roles, by the names that Azure's documentation has for them.
var roles = {
  secretsOfficer: 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7' // Key Vault Secrets Officer
  secretsUser: '4633458b-17de-408a-b874-0445c86b69e6' // Key Vault Secrets User
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    networkAcls: {
      defaultAction: 'Deny'
      bypass: 'AzureServices'
      virtualNetworkRules: [{ id: nodesSubnetId }]
    }
  }

  resource cluster 'secrets' = {
    name: 'cluster-secret'
    properties: { value: clusterSecret }
  }

  resource keys 'secrets' = {
    name: 'api-keys'
    properties: { value: apiKeys }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-pods'
  location: location

  resource pods 'federatedIdentityCredentials' = {
    name: 'pods'
    properties: {
      issuer: oidcIssuer
      subject: 'system:serviceaccount:grid:grid'
      audiences: ['api://AzureADTokenExchange']
    }
  }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identity.id, roles.secretsUser)
  scope: vault
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
  }
}

resource operates 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, operatorId, roles.secretsOfficer)
  scope: vault
  properties: {
    principalId: operatorId
    principalType: operatorType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsOfficer)
  }
}

output name string = vault.name
output identityClientId string = identity.properties.clientId
