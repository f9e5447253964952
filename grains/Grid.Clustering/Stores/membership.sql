-- Cluster membership for Orleans' ADO.NET provider on PostgreSQL 12 or later.
-- The provider knows only OrleansQuery: it looks statements up by key, binds parameters by name (@DeploymentId is the
-- cluster's id) and reads columns by name. A statement that answers yes or no returns one number, 0 for no.
-- Every change of membership raises the cluster's version by one, in the same statement, and only from the version that
-- the writer has seen: of two writers at once, one gets 0 and reads again.

CREATE TABLE IF NOT EXISTS OrleansQuery (
    QueryKey text PRIMARY KEY,
    QueryText text NOT NULL
);

CREATE TABLE IF NOT EXISTS grid_cluster (
    cluster_id text PRIMARY KEY,
    version integer NOT NULL DEFAULT 0,
    changed timestamptz NOT NULL DEFAULT now()
);

-- One row for each run of each node; generation tells the runs of one node apart.
CREATE TABLE IF NOT EXISTS grid_node (
    cluster_id text NOT NULL REFERENCES grid_cluster,
    address text NOT NULL,
    silo_port integer NOT NULL,
    generation integer NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    status integer NOT NULL,       -- Orleans.Runtime.SiloStatus: 3 is active, 6 is dead
    client_port integer NOT NULL,  -- 0: takes no grid clients
    suspected text,                -- who voted it dead, and when
    started timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, address, silo_port, generation)
);

INSERT INTO OrleansQuery (QueryKey, QueryText) VALUES
('InsertMembershipVersionKey', $$
    WITH made AS (
        INSERT INTO grid_cluster (cluster_id) VALUES (@DeploymentId) ON CONFLICT DO NOTHING RETURNING 1)
    SELECT count(*)::integer FROM made
$$),
('InsertMembershipKey', $$
    WITH raised AS (
        UPDATE grid_cluster c SET version = version + 1, changed = now()
        WHERE c.cluster_id = @DeploymentId AND c.version = @Version
            AND NOT EXISTS (
                SELECT FROM grid_node n
                WHERE n.cluster_id = c.cluster_id AND n.address = @Address AND n.silo_port = @Port AND n.generation = @Generation)
        RETURNING c.cluster_id),
    made AS (
        INSERT INTO grid_node (cluster_id, address, silo_port, generation, name, host, status, client_port, started, seen)
        SELECT cluster_id, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime
        FROM raised
        RETURNING 1)
    SELECT count(*)::integer FROM made
$$),
('UpdateMembershipKey', $$
    WITH raised AS (
        UPDATE grid_cluster c SET version = version + 1, changed = now()
        WHERE c.cluster_id = @DeploymentId AND c.version = @Version
            AND EXISTS (
                SELECT FROM grid_node n
                WHERE n.cluster_id = c.cluster_id AND n.address = @Address AND n.silo_port = @Port AND n.generation = @Generation)
        RETURNING c.cluster_id),
    changed AS (
        UPDATE grid_node n SET status = @Status, suspected = @SuspectTimes, seen = @IAmAliveTime
        FROM raised
        WHERE n.cluster_id = raised.cluster_id AND n.address = @Address AND n.silo_port = @Port AND n.generation = @Generation
        RETURNING 1)
    SELECT count(*)::integer FROM changed
$$),
('UpdateIAmAlivetimeKey', $$
    UPDATE grid_node SET seen = @IAmAliveTime
    WHERE cluster_id = @DeploymentId AND address = @Address AND silo_port = @Port AND generation = @Generation
$$),
-- Both reads give the version even where no node is found: then the node's columns are null.
('MembershipReadAllKey', $$
    SELECT c.cluster_id AS DeploymentId, n.address AS Address, n.silo_port AS Port, n.generation AS Generation,
        n.name AS SiloName, n.host AS HostName, n.status AS Status, n.client_port AS ProxyPort,
        n.suspected AS SuspectTimes, n.started AS StartTime, n.seen AS IAmAliveTime, c.version AS Version
    FROM grid_cluster c LEFT JOIN grid_node n USING (cluster_id)
    WHERE c.cluster_id = @DeploymentId
$$),
('MembershipReadRowKey', $$
    SELECT c.cluster_id AS DeploymentId, n.address AS Address, n.silo_port AS Port, n.generation AS Generation,
        n.name AS SiloName, n.host AS HostName, n.status AS Status, n.client_port AS ProxyPort,
        n.suspected AS SuspectTimes, n.started AS StartTime, n.seen AS IAmAliveTime, c.version AS Version
    FROM grid_cluster c LEFT JOIN grid_node n
        ON n.cluster_id = c.cluster_id AND n.address = @Address AND n.silo_port = @Port AND n.generation = @Generation
    WHERE c.cluster_id = @DeploymentId
$$),
('GatewaysQueryKey', $$
    SELECT address AS Address, client_port AS ProxyPort, generation AS Generation
    FROM grid_node WHERE cluster_id = @DeploymentId AND status = @Status AND client_port > 0
$$),
('CleanupDefunctSiloEntriesKey', $$
    DELETE FROM grid_node WHERE cluster_id = @DeploymentId AND status <> 3 AND seen < @IAmAliveTime
$$),
('DeleteMembershipTableEntriesKey', $$
    WITH nodes AS (DELETE FROM grid_node WHERE cluster_id = @DeploymentId)
    DELETE FROM grid_cluster WHERE cluster_id = @DeploymentId
$$);
