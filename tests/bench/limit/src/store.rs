//! PostgreSQL (DATABASE_URL) and SQLite: single-row transactions and batches.
use crate::ground::*;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Row as _, SqlitePool,
    postgres::PgPoolOptions, sqlite::*,
};
use std::str::FromStr;
use std::time::Instant;

pub(crate) const SCHEMA_PG: &str = "
DROP TABLE IF EXISTS sync_state; DROP TABLE IF EXISTS sync_log;
CREATE TABLE sync_state(object text NOT NULL, key text NOT NULL, rev bigint NOT NULL, base jsonb NOT NULL, pending jsonb, updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY(object, key));
CREATE TABLE sync_log(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, object text NOT NULL, key text NOT NULL, delta_id text NOT NULL, action smallint NOT NULL, detail text, at timestamptz NOT NULL DEFAULT now());";
const SCHEMA_LITE: &str = "
CREATE TABLE sync_state(object text NOT NULL, key text NOT NULL, rev integer NOT NULL, base text NOT NULL, pending text, updated_at text NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY(object, key)) WITHOUT ROWID;
CREATE TABLE sync_log(id integer PRIMARY KEY, object text NOT NULL, key text NOT NULL, delta_id text NOT NULL, action integer NOT NULL, detail text, at text NOT NULL DEFAULT CURRENT_TIMESTAMP);";

pub(crate) const SELECT_ANY: &str = "SELECT key, rev, base::text, pending::text FROM sync_state WHERE object = $1 AND key = ANY($2)";
pub(crate) const UPSERT_UNNEST: &str = "INSERT INTO sync_state(object, key, rev, base, pending) SELECT $1, k, r, b::jsonb, NULL FROM UNNEST($2::text[], $3::bigint[], $4::text[]) AS t(k, r, b)
 ON CONFLICT (object, key) DO UPDATE SET rev = excluded.rev, base = excluded.base, pending = NULL, updated_at = now() WHERE sync_state.rev <= excluded.rev";
pub(crate) const LOG_UNNEST: &str = "INSERT INTO sync_log(object, key, delta_id, action, detail) SELECT $1, k, d, a, x FROM UNNEST($2::text[], $3::text[], $4::smallint[], $5::text[]) AS t(k, d, a, x)";

/// Fills the state table with `keys` images; one key in ten has unreconciled changes of the other side.
pub(crate) async fn seed_pg(pool: &PgPool, keys: u64) -> Res<()> {
    pool.execute(sqlx::raw_sql(SCHEMA_PG)).await?;
    let mut c = pool.acquire().await?;
    let mut copy =
        c.copy_in_raw("COPY sync_state(object, key, rev, base, pending) FROM STDIN").await?;
    let mut s = String::new();
    for i in 0..keys {
        let p = if i % 10 == 0 { "{\"Phone\":\"+1 555 0100\",\"Score__c\":7.5}" } else { "\\N" };
        s.push_str(&format!(
            "{OBJECT}\t{}\t0\t{}\t{p}\n",
            key_of(i),
            serde_json::to_string(&base_image(i))?
        ));
        if s.len() > 1 << 20 {
            copy.send(s.as_bytes()).await?;
            s.clear();
        }
    }
    copy.send(s.as_bytes()).await?;
    copy.finish().await?;
    drop(c);
    pool.execute("ANALYZE sync_state").await?;
    pool.execute("CHECKPOINT").await?;
    Ok(())
}

pub(crate) async fn batch_tx(
    c: &mut PgConnection,
    keys: &[String],
    revs: &[i64],
    bodies: &[String],
    ids: &[String],
) -> Res<usize> {
    let mut tx = c.begin().await?;
    let rows = sqlx::query(SELECT_ANY).bind(OBJECT).bind(keys).fetch_all(&mut *tx).await?;
    let mut n = 0;
    for r in &rows {
        n += r.get::<&str, _>(2).len();
    }
    sqlx::query(UPSERT_UNNEST)
        .bind(OBJECT)
        .bind(keys)
        .bind(revs)
        .bind(bodies)
        .execute(&mut *tx)
        .await?;
    sqlx::query(LOG_UNNEST)
        .bind(OBJECT)
        .bind(keys)
        .bind(ids)
        .bind(vec![1i16; keys.len()])
        .bind(vec![None::<String>; keys.len()])
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(n)
}

fn pick(r: &mut Rng, n: usize, lo: u64, hi: u64) -> Vec<u64> {
    let mut s = std::collections::BTreeSet::new();
    while s.len() < n {
        s.insert(lo + r.below(hi - lo));
    }
    s.into_iter().collect()
}
fn images(n: usize) -> Vec<String> {
    let mut r = Rng(99);
    (0..n).map(|_| serde_json::to_string(&image(&mut r)).unwrap()).collect()
}

pub(crate) async fn run(a: &Args) -> Res<()> {
    let runs = a.get("runs", 3usize);
    let keys = a.get("keys", 100_000u64);
    head();
    if a.has("batch") {
        let pool = PgPoolOptions::new().max_connections(40).connect(&database_url()).await?;
        seed_pg(&pool, keys).await?;
        pg_batches(a, runs, keys, &pool).await?;
        pool.execute("DROP TABLE sync_state; DROP TABLE sync_log").await.ok();
        pool.close().await;
    }
    if a.has("lite") {
        lite(a, runs, keys).await?;
    }
    Ok(())
}

async fn pg_batches(a: &Args, runs: usize, keys: u64, pool: &PgPool) -> Res<()> {
    let im = std::sync::Arc::new(images(2000));
    for (sync, conc, size) in [
        ("on", 1usize, 20usize),
        ("on", 1, 200),
        ("on", 2, 200),
        ("on", 4, 200),
        ("on", 1, 1000),
        ("on", 2, 1000),
        ("on", 4, 1000),
        ("off", 1, 200),
        ("off", 2, 200),
        ("off", 2, 1000),
    ] {
        if !wanted(a, "connections", conc) || !wanted(a, "sizes", size) || !wanted(a, "sync", sync)
        {
            continue;
        }
        let mut sr = Series::new(runs);
        let total = if size == 20 { 20_000usize } else { 60_000usize };
        let mut rev = 1i64;
        while sr.more() {
            pool.execute("TRUNCATE sync_log").await?;
            rev += 1;
            let mut cs = vec![];
            for _ in 0..conc {
                let mut c = pool.acquire().await?.detach();
                c.execute(AssertSqlSafe(format!("SET synchronous_commit = {sync}"))).await?;
                cs.push(c);
            }
            let span = keys / conc as u64;
            let (c0, t) = (cpu(), Instant::now());
            let hs: Vec<_> = cs
                .into_iter()
                .enumerate()
                .map(|(w, mut c)| {
                    let im = im.clone();
                    tokio::spawn(async move {
                        let mut r = Rng(77 + w as u64);
                        let mut l = vec![];
                        for _ in 0..total / conc / size {
                            let ks: Vec<String> =
                                pick(&mut r, size, span * w as u64, span * (w as u64 + 1))
                                    .into_iter()
                                    .map(key_of)
                                    .collect();
                            let off = r.below(1000) as usize;
                            let bodies = &im[off..off + size];
                            let ids: Vec<String> =
                                ks.iter().map(|_| format!("{:032x}", r.next())).collect();
                            let s = Instant::now();
                            batch_tx(&mut c, &ks, &vec![rev; size], bodies, &ids).await.unwrap();
                            l.push(secs(s.elapsed()) * 1e3);
                        }
                        (l, c)
                    })
                })
                .collect();
            let mut l = vec![];
            let mut keep = vec![];
            for h in hs {
                let (x, c) = h.await?;
                l.extend(x);
                keep.push(c);
            }
            let e = secs(t.elapsed());
            sr.push(
                vec![
                    (total / conc / size * size * conc) as f64 / e,
                    pct(&mut l, 0.5),
                    pct(&mut l, 0.99),
                ],
                total,
                &c0,
                &cpu(),
            );
            for c in keep {
                c.close().await?;
            }
        }
        sr.line(
            &format!("pg batch of {size}, {conc} connection(s), synchronous_commit {sync}"),
            "rows/s",
            &["tx p50 ms", "p99 ms"],
            "sqlx; SELECT ANY, upsert UNNEST, log UNNEST",
        );
    }
    Ok(())
}

async fn lite_pool(sync: &str, dir: &std::path::Path) -> Res<SqlitePool> {
    let f = dir.join("limit.sqlite");
    for x in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{x}", f.display()));
    }
    let o = SqliteConnectOptions::from_str(&format!("sqlite://{}", f.display()))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if sync == "FULL" {
            SqliteSynchronous::Full
        } else {
            SqliteSynchronous::Normal
        })
        .pragma("cache_size", "-65536");
    let p = SqlitePoolOptions::new().max_connections(1).connect_with(o).await?;
    p.execute(sqlx::raw_sql(SCHEMA_LITE)).await?;
    Ok(p)
}
async fn lite(a: &Args, runs: usize, keys: u64) -> Res<()> {
    let dir = std::env::temp_dir().join(format!("duet-limit-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let im = images(2000);
    for sync in ["NORMAL", "FULL"] {
        if !wanted(a, "sync", sync) {
            continue;
        }
        let p = lite_pool(sync, &dir).await?;
        let mut tx = p.begin().await?;
        for i in 0..keys {
            sqlx::query("INSERT INTO sync_state(object, key, rev, base) VALUES(?, ?, 0, ?)")
                .bind(OBJECT)
                .bind(key_of(i))
                .bind(&im[i as usize % 2000])
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        let mut sr = Series::new(runs);
        while sr.more() && wanted(a, "sizes", 1) {
            let mut c = p.acquire().await?;
            let mut r = Rng(3);
            let n = 4000;
            let mut l = vec![];
            let (c0, t) = (cpu(), Instant::now());
            for i in 0..n {
                let k = key_of(r.below(keys));
                let s = Instant::now();
                let mut tx = c.begin().await?;
                let row = sqlx::query(
                    "SELECT rev, base, pending FROM sync_state WHERE object = ? AND key = ?",
                )
                .bind(OBJECT)
                .bind(&k)
                .fetch_one(&mut *tx)
                .await?;
                let rev: i64 = row.get(0);
                sqlx::query("UPDATE sync_state SET rev = ?, base = ?, pending = NULL WHERE object = ? AND key = ?").bind(rev + 1).bind(&im[i % 2000]).bind(OBJECT).bind(&k).execute(&mut *tx).await?;
                sqlx::query(
                    "INSERT INTO sync_log(object, key, delta_id, action) VALUES(?, ?, ?, 1)",
                )
                .bind(OBJECT)
                .bind(&k)
                .bind(format!("{:032x}", r.next()))
                .execute(&mut *tx)
                .await?;
                tx.commit().await?;
                l.push(secs(s.elapsed()) * 1e3);
            }
            sr.push(
                vec![n as f64 / secs(t.elapsed()), pct(&mut l, 0.5), pct(&mut l, 0.99)],
                n,
                &c0,
                &cpu(),
            );
        }
        if wanted(a, "sizes", 1) {
            sr.line(
                &format!("sqlite row by row, synchronous={sync}"),
                "rows/s",
                &["tx p50 ms", "p99 ms"],
                "sqlx, WAL",
            );
        }
        for size in [200usize, 1000] {
            for how in ["statement a row", "json_each"] {
                if !wanted(a, "sizes", size) || !wanted(a, "how", how) {
                    continue;
                }
                let mut sr = Series::new(runs);
                while sr.more() {
                    let mut c = p.acquire().await?;
                    let mut r = Rng(5);
                    let total = 40_000;
                    let mut l = vec![];
                    let (c0, t) = (cpu(), Instant::now());
                    for _ in 0..total / size {
                        let ks: Vec<String> =
                            pick(&mut r, size, 0, keys).into_iter().map(key_of).collect();
                        let off = r.below(1000) as usize;
                        let s = Instant::now();
                        let mut tx = c.begin().await?;
                        if how == "json_each" {
                            let kj = serde_json::to_string(&ks)?;
                            let rows = sqlx::query("SELECT key, rev, base, pending FROM sync_state WHERE object = ?1 AND key IN (SELECT value FROM json_each(?2))").bind(OBJECT).bind(&kj).fetch_all(&mut *tx).await?;
                            assert_eq!(rows.len(), size);
                            let all: Vec<(&String, &String, String)> = ks
                                .iter()
                                .zip(&im[off..])
                                .map(|(k, b)| (k, b, format!("{:032x}", r.next())))
                                .collect();
                            let j = serde_json::to_string(&all)?;
                            sqlx::query("INSERT INTO sync_state(object, key, rev, base) SELECT ?1, value->>0, 1, value->>1 FROM json_each(?2) WHERE true ON CONFLICT(object, key) DO UPDATE SET rev = rev + 1, base = excluded.base, pending = NULL").bind(OBJECT).bind(&j).execute(&mut *tx).await?;
                            sqlx::query("INSERT INTO sync_log(object, key, delta_id, action) SELECT ?1, value->>0, value->>2, 1 FROM json_each(?2)").bind(OBJECT).bind(&j).execute(&mut *tx).await?;
                        } else {
                            for (k, b) in ks.iter().zip(&im[off..]) {
                                let row = sqlx::query("SELECT rev, base, pending FROM sync_state WHERE object = ? AND key = ?").bind(OBJECT).bind(k).fetch_one(&mut *tx).await?;
                                let rev: i64 = row.get(0);
                                sqlx::query("UPDATE sync_state SET rev = ?, base = ?, pending = NULL WHERE object = ? AND key = ?").bind(rev + 1).bind(b).bind(OBJECT).bind(k).execute(&mut *tx).await?;
                                sqlx::query("INSERT INTO sync_log(object, key, delta_id, action) VALUES(?, ?, ?, 1)").bind(OBJECT).bind(k).bind(format!("{:032x}", r.next())).execute(&mut *tx).await?;
                            }
                        }
                        tx.commit().await?;
                        l.push(secs(s.elapsed()) * 1e3);
                    }
                    sr.push(
                        vec![total as f64 / secs(t.elapsed()), pct(&mut l, 0.5), pct(&mut l, 0.99)],
                        total,
                        &c0,
                        &cpu(),
                    );
                }
                sr.line(
                    &format!("sqlite batch of {size}, {how}, synchronous={sync}"),
                    "rows/s",
                    &["tx p50 ms", "p99 ms"],
                    "SELECT, upsert, log",
                );
            }
        }
        p.close().await;
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
