//! How the tables came to be what they are.

/// The schema's history: the index of an entry, plus one, is the `user_version` it leads to. Never edit an entry that was
/// released; add one.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        instance TEXT NOT NULL,
        step TEXT NOT NULL,
        state TEXT NOT NULL,
        name TEXT NOT NULL,
        cluster TEXT NOT NULL,
        kernel TEXT,
        code TEXT NOT NULL,
        session_id TEXT,
        kernel_id TEXT,
        outcome TEXT,
        error TEXT,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        ended_at INTEGER
    ) STRICT;
    CREATE INDEX jobs_by_time ON jobs (created_at);
    CREATE INDEX jobs_unsettled ON jobs (instance) WHERE step <> 'over';
    CREATE TABLE cluster_labels (
        name TEXT PRIMARY KEY,
        label TEXT,
        scaling TEXT,
        created_by TEXT
    ) STRICT;
",
    "
    CREATE INDEX jobs_over ON jobs (ended_at) WHERE step = 'over';
",
    "
    ALTER TABLE jobs ADD COLUMN cluster_label TEXT;
",
    "
    CREATE TABLE recordings (
        id TEXT PRIMARY KEY,
        cluster TEXT NOT NULL,
        label TEXT,
        scheduler TEXT NOT NULL,
        state TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER,
        tasks INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        message TEXT
    ) STRICT;
",
    "
    CREATE TABLE presets (
        id TEXT PRIMARY KEY,
        gateway TEXT NOT NULL,
        name TEXT NOT NULL COLLATE NOCASE,
        form TEXT NOT NULL,
        is_default INTEGER NOT NULL DEFAULT 0,
        changed_at INTEGER NOT NULL,
        UNIQUE (gateway, name)
    ) STRICT;
    CREATE TABLE last_forms (
        gateway TEXT PRIMARY KEY,
        form TEXT NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE waiting_scaling (
        name TEXT PRIMARY KEY,
        scaling TEXT NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE attached (
        id TEXT PRIMARY KEY,
        label TEXT NOT NULL,
        address TEXT NOT NULL UNIQUE,
        ca_file TEXT,
        cert_file TEXT,
        key_file TEXT,
        attached_at INTEGER NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE leases (
        cluster TEXT PRIMARY KEY,
        gateway TEXT NOT NULL,
        owner TEXT,
        idle_s INTEGER,
        lifetime_s INTEGER,
        stops INTEGER NOT NULL,
        at_end TEXT NOT NULL,
        origin TEXT NOT NULL,
        kept_at INTEGER,
        ends_at INTEGER,
        told_at INTEGER,
        acted_at INTEGER,
        version INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE TABLE guard_deeds (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        cluster TEXT NOT NULL,
        label TEXT,
        what TEXT NOT NULL,
        message TEXT NOT NULL
    ) STRICT;
    CREATE TABLE guard_told (
        what TEXT PRIMARY KEY
    ) STRICT;
    CREATE TABLE usage (
        cluster TEXT NOT NULL,
        day TEXT NOT NULL,
        currency TEXT NOT NULL,
        worker_s REAL NOT NULL,
        memory_gib_s REAL NOT NULL,
        amount REAL NOT NULL,
        PRIMARY KEY (cluster, day, currency)
    ) STRICT;
    CREATE INDEX usage_by_day ON usage (day);
    CREATE TABLE usage_until (
        cluster TEXT PRIMARY KEY,
        gateway TEXT NOT NULL,
        until INTEGER NOT NULL,
        workers REAL NOT NULL,
        memory_gib REAL NOT NULL
    ) STRICT;
",
    // Jobs keep all that was asked for, and may have no cluster.
    "
    CREATE TABLE jobs_next (
        id TEXT PRIMARY KEY,
        instance TEXT NOT NULL,
        step TEXT NOT NULL,
        state TEXT NOT NULL,
        name TEXT NOT NULL,
        request TEXT NOT NULL,
        cluster TEXT,
        cluster_label TEXT,
        attempt INTEGER NOT NULL DEFAULT 1,
        notes TEXT NOT NULL DEFAULT '{}',
        session_id TEXT,
        kernel_id TEXT,
        outcome TEXT,
        error TEXT,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        ended_at INTEGER
    ) STRICT;
    INSERT INTO jobs_next (id, instance, step, state, name, request, cluster, cluster_label, session_id, kernel_id, outcome,
        error, created_at, started_at, ended_at)
    SELECT id, instance, step, state, name,
        json_object('work', json_object('kind', 'snippet', 'source', code),
            'place', json_object('kind', 'cluster', 'cluster', cluster), 'kernel', kernel),
        cluster, cluster_label, session_id, kernel_id, outcome, error, created_at, started_at, ended_at
    FROM jobs;
    DROP TABLE jobs;
    ALTER TABLE jobs_next RENAME TO jobs;
    CREATE INDEX jobs_by_time ON jobs (created_at);
    CREATE INDEX jobs_unsettled ON jobs (instance) WHERE step <> 'over';
    CREATE INDEX jobs_over ON jobs (ended_at) WHERE step = 'over';
    CREATE TABLE job_clusters (
        id INTEGER PRIMARY KEY,
        job TEXT NOT NULL,
        cluster TEXT UNIQUE,
        asked_at INTEGER NOT NULL,
        options TEXT NOT NULL,
        known TEXT NOT NULL
    ) STRICT;
    CREATE INDEX job_clusters_by_job ON job_clusters (job);
",
    "
    CREATE TABLE job_stretches (
        job TEXT NOT NULL,
        cluster TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        shared INTEGER NOT NULL,
        from_ms INTEGER,
        to_ms INTEGER,
        before TEXT,
        after TEXT,
        PRIMARY KEY (job, cluster, attempt)
    ) STRICT;
    CREATE TABLE job_files (
        path TEXT PRIMARY KEY,
        job TEXT NOT NULL,
        last_modified TEXT NOT NULL,
        size INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX job_files_by_job ON job_files (job);
",
];
