//! Two reconcilers written by hand: batches of 200 (what a good engineer writes in a day) and one message at a time.
use crate::ground::*;
use crate::{http, hub, merge, store};
use futures_util::{StreamExt, stream};
use lapin::{Channel, options::*, types::FieldTable};
use serde_json::{Map, Value};
use sqlx::{Connection as _, Executor as _, PgPool, Row as _, postgres::PgPoolOptions};
use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Child process: makes the messages, says `ready`, waits for a line, publishes, says `done SECS`.
pub(crate) async fn publisher(a: &Args) -> Res<()> {
    let (n, queues, keys, rate, seed) = (
        a.get("n", 1000usize),
        a.get("queues", 1usize),
        a.get("keys", 100_000u64),
        a.get("rate", 0.0f64),
        a.get("seed", 1u64),
    );
    let from = a.get("from", 0u64);
    let mut r = Rng(seed * 7919 + 1);
    let mark = b"\"at_us\":1000000000000000";
    let msgs: Arc<Vec<(String, Vec<u8>, usize)>> = Arc::new(
        (0..n)
            .map(|i| {
                let mut d = delta(r.below(keys), from as i64 + i as i64 + 1, &mut r);
                d.at_us = 1_000_000_000_000_000;
                let b = serde_json::to_vec(&d).unwrap();
                let p = b.windows(mark.len()).position(|w| w == mark).unwrap() + 8;
                (d.key, b, p)
            })
            .collect(),
    );
    let c = hub::connect().await?;
    let ch = c.create_channel().await?;
    ch.confirm_select(ConfirmSelectOptions::default()).await?;
    println!("ready");
    std::io::stdout().flush()?;
    let mut s = String::new();
    std::io::stdin().read_line(&mut s)?;
    let t = Instant::now();
    let start = now_us() + 10_000;
    let send = |i: usize, at: u64| {
        let (ch, msgs) = (ch.clone(), msgs.clone());
        async move {
            let (k, b, p) = &msgs[i];
            let mut b = b.clone();
            b[*p..*p + 16].copy_from_slice(format!("{at:016}").as_bytes());
            let (x, rk) = hub::route(queues, k);
            assert!(
                ch.basic_publish(
                    x.into(),
                    rk.as_str().into(),
                    BasicPublishOptions::default(),
                    &b,
                    hub::props()
                )
                .await?
                .await?
                .is_ack()
            );
            Ok::<(), lapin::Error>(())
        }
    };
    if rate > 0.0 {
        let mut open = stream::FuturesUnordered::new();
        for i in 0..n {
            let due = start + (i as f64 / rate * 1e6) as u64;
            let now = now_us();
            if due > now {
                tokio::time::sleep(Duration::from_micros(due - now)).await;
            }
            open.push(tokio::spawn(send(i, due)));
            while open.len() > 2048 {
                open.next().await.unwrap()??;
            }
        }
        while let Some(x) = open.next().await {
            x??;
        }
    } else {
        let mut st = stream::iter(0..n).map(|i| send(i, now_us())).buffered(256);
        while let Some(x) = st.next().await {
            x?;
        }
    }
    println!("done {}", secs(t.elapsed()));
    std::io::stdout().flush()?;
    let _ = tokio::time::timeout(Duration::from_secs(2), c.close(200, "".into())).await;
    Ok(())
}

struct Pub {
    child: std::process::Child,
    out: std::io::BufReader<std::process::ChildStdout>,
}
impl Pub {
    fn start(n: usize, queues: usize, keys: u64, rate: f64, seed: u64, from: u64) -> Pub {
        let v: Vec<String> = ["publish".to_string()]
            .into_iter()
            .chain(
                [
                    ("n", n.to_string()),
                    ("queues", queues.to_string()),
                    ("keys", keys.to_string()),
                    ("rate", rate.to_string()),
                    ("seed", seed.to_string()),
                    ("from", from.to_string()),
                ]
                .into_iter()
                .flat_map(|(k, x)| [format!("--{k}"), x]),
            )
            .collect();
        let (child, out) = child(&v);
        let mut p = Pub { child, out };
        assert_eq!(p.read(), "ready");
        p
    }
    fn read(&mut self) -> String {
        let mut s = String::new();
        self.out.read_line(&mut s).unwrap();
        s.trim().into()
    }
    fn go(&mut self) {
        writeln!(self.child.stdin.as_mut().unwrap(), "go").unwrap();
    }
    fn wait(mut self) -> f64 {
        let s = self.read();
        let _ = self.child.wait();
        s.strip_prefix("done ").and_then(|x| x.parse().ok()).expect("publisher failed")
    }
}

#[derive(Default)]
struct Stats {
    acked: AtomicUsize,
    batches: AtomicUsize,
    lat: Mutex<Vec<f64>>,
    stage: [AtomicU64; 7],
}
const STAGES: [&str; 7] = ["collect", "parse", "lookup", "merge", "http", "commit", "ack"];
#[derive(Clone)]
struct Cfg {
    batch: usize,
    prefetch: u16,
    linger: Duration,
    url: String,
    delay: u64,
}

async fn consumer(ch: &Channel, q: usize, prefetch: u16) -> Res<lapin::Consumer> {
    if prefetch > 0 {
        ch.basic_qos(prefetch, BasicQosOptions::default()).await?;
    }
    Ok(ch
        .basic_consume(
            hub::qname(q).as_str().into(),
            format!("w{q}").as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?)
}

async fn worker(q: usize, cfg: Cfg, pg: PgPool, cl: reqwest::Client, st: Arc<Stats>) -> Res<()> {
    let conn = hub::connect().await?;
    let ch = conn.create_channel().await?;
    let mut c = consumer(&ch, q, cfg.prefetch).await?;
    let url = format!(
        "{}/services/data/v64.0/composite/sobjects?mode=parse&delay={}",
        cfg.url, cfg.delay
    );
    loop {
        let mut t = Instant::now();
        let mut lap = |i: usize| {
            let n = Instant::now();
            st.stage[i].fetch_add(n.duration_since(t).as_micros() as u64, Relaxed);
            t = n;
        };
        let Some(d) = c.next().await else { return Ok(()) };
        let mut buf = vec![d?];
        let until = tokio::time::Instant::now() + cfg.linger;
        while buf.len() < cfg.batch {
            match tokio::time::timeout_at(until, c.next()).await {
                Ok(Some(d)) => buf.push(d?),
                _ => break,
            }
        }
        lap(0);
        let last = buf.last().unwrap().delivery_tag;
        let ds: Vec<Delta> =
            buf.iter().map(|d| serde_json::from_slice(&d.data)).collect::<Result<_, _>>()?;
        for d in buf {
            std::mem::forget(d.acker);
        }
        lap(1);
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut keys: Vec<String> = vec![];
        for d in &ds {
            if !seen.contains_key(&d.key) {
                seen.insert(d.key.clone(), keys.len());
                keys.push(d.key.clone());
            }
        }
        let rows = sqlx::query(store::SELECT_ANY).bind(OBJECT).bind(&keys).fetch_all(&pg).await?;
        lap(2);
        let mut cur: Vec<Option<(i64, Map<String, Value>, Map<String, Value>)>> =
            vec![None; keys.len()];
        for r in &rows {
            let i = seen[r.get::<&str, _>(0)];
            cur[i] = Some((
                r.get(1),
                serde_json::from_str(r.get::<&str, _>(2))?,
                match r.get::<Option<&str>, _>(3) {
                    Some(p) => serde_json::from_str(p)?,
                    None => Map::new(),
                },
            ));
        }
        let mut writes: Vec<Map<String, Value>> = vec![Map::new(); keys.len()];
        let (mut lk, mut li, mut la, mut lx) = (vec![], vec![], vec![], vec![]);
        let mut at = Vec::with_capacity(ds.len());
        for d in ds {
            let i = seen[&d.key];
            let (rev, base, pend) = cur[i].take().unwrap_or_default();
            at.push(d.at_us);
            if d.rev <= rev {
                lk.push(d.key);
                li.push(d.id);
                la.push(0i16);
                lx.push(None::<String>);
                cur[i] = Some((rev, base, pend));
                continue;
            }
            let o = merge::merge(&base, d.fields, &pend, true);
            la.push(if o.conflicts > 0 { 2i16 } else { 1 });
            lx.push((o.conflicts > 0).then(|| format!("{} conflicting fields", o.conflicts)));
            lk.push(d.key);
            li.push(d.id);
            writes[i].extend(o.write);
            cur[i] = Some((d.rev, o.merged, Map::new()));
        }
        let records: Vec<Value> = writes
            .into_iter()
            .enumerate()
            .filter(|x| !x.1.is_empty())
            .map(|(i, mut m)| {
                m.insert("attributes".into(), serde_json::json!({"type": OBJECT}));
                m.insert("Ext__c".into(), Value::String(keys[i].clone()));
                Value::Object(m)
            })
            .collect();
        let sent = records.len();
        let body =
            serde_json::to_vec(&serde_json::json!({"allOrNone": false, "records": records}))?;
        lap(3);
        let rs = cl
            .patch(&url)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await?
            .error_for_status()?
            .bytes()
            .await?;
        let res: Vec<HashMap<String, Value>> = serde_json::from_slice(&rs)?;
        assert!(res.len() == sent && res.iter().all(|r| r["success"] == true));
        lap(4);
        let revs: Vec<i64> = cur.iter().map(|c| c.as_ref().unwrap().0).collect();
        let bodies: Vec<String> =
            cur.iter().map(|c| serde_json::to_string(&c.as_ref().unwrap().1).unwrap()).collect();
        let mut tx = pg.begin().await?;
        sqlx::query(store::UPSERT_UNNEST)
            .bind(OBJECT)
            .bind(&keys)
            .bind(revs)
            .bind(bodies)
            .execute(&mut *tx)
            .await?;
        sqlx::query(store::LOG_UNNEST)
            .bind(OBJECT)
            .bind(lk)
            .bind(li)
            .bind(la)
            .bind(lx)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        lap(5);
        ch.basic_ack(last, BasicAckOptions { multiple: true }).await?;
        lap(6);
        let now = now_us();
        st.lat.lock().unwrap().extend(at.iter().map(|x| now.saturating_sub(*x) as f64 / 1e3));
        st.batches.fetch_add(1, Relaxed);
        st.acked.fetch_add(at.len(), Relaxed);
    }
}

async fn naive_worker(
    q: usize,
    cfg: Cfg,
    pg: PgPool,
    cl: reqwest::Client,
    st: Arc<Stats>,
) -> Res<()> {
    let conn = hub::connect().await?;
    let ch = conn.create_channel().await?;
    let mut c = consumer(&ch, q, 1).await?;
    let mut db = pg.acquire().await?;
    while let Some(m) = c.next().await {
        let m = m?;
        let d: Delta = serde_json::from_slice(&m.data)?;
        let mut tx = db.begin().await?;
        let r = sqlx::query("SELECT rev, base::text, pending::text FROM sync_state WHERE object = $1 AND key = $2 FOR UPDATE").bind(OBJECT).bind(&d.key).fetch_one(&mut *tx).await?;
        let base: Map<String, Value> = serde_json::from_str(r.get::<&str, _>(1))?;
        let pend: Map<String, Value> = match r.get::<Option<&str>, _>(2) {
            Some(p) => serde_json::from_str(p)?,
            None => Map::new(),
        };
        let o = merge::merge(&base, d.fields, &pend, true);
        cl.patch(format!(
            "{}/services/data/v64.0/sobjects/Contact/Ext__c/{}?delay={}",
            cfg.url, d.key, cfg.delay
        ))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&o.write)?)
        .send()
        .await?
        .error_for_status()?
        .bytes()
        .await?;
        sqlx::query("UPDATE sync_state SET rev = $3, base = $4::text::jsonb, pending = NULL, updated_at = now() WHERE object = $1 AND key = $2").bind(OBJECT).bind(&d.key).bind(d.rev).bind(serde_json::to_string(&o.merged)?).execute(&mut *tx).await?;
        sqlx::query("INSERT INTO sync_log(object, key, delta_id, action, detail) VALUES($1, $2, $3, 1, NULL)").bind(OBJECT).bind(&d.key).bind(&d.id).execute(&mut *tx).await?;
        tx.commit().await?;
        m.acker.ack(BasicAckOptions::default()).await?;
        st.lat.lock().unwrap().push(now_us().saturating_sub(d.at_us) as f64 / 1e3);
        st.batches.fetch_add(1, Relaxed);
        st.acked.fetch_add(1, Relaxed);
    }
    Ok(())
}

pub(crate) async fn run(a: &Args, naive: bool) -> Res<()> {
    let runs = a.get("runs", 3usize);
    let delay = a.get("delay", 0u64);
    let n = a.get("n", if naive { 3000 } else { 40_000usize });
    let keys = a.get("keys", 100_000u64);
    let kinds: Vec<String> =
        a.get("kinds", "quorum".to_string()).split(',').map(String::from).collect();
    let qs: Vec<usize> = a
        .get("queues", if naive { "1" } else { "1,2,4" }.to_string())
        .split(',')
        .map(|x| x.parse().unwrap())
        .collect();
    let rates: Vec<f64> =
        a.get("rates", "0".to_string()).split(',').map(|x| x.parse().unwrap()).collect();
    let modes: Vec<String> =
        if a.1.is_empty() { vec!["drain".into(), "live".into()] } else { a.1.clone() };
    let pg = PgPoolOptions::new().max_connections(20).connect(&database_url()).await?;
    store::seed_pg(&pg, keys).await?;
    let srv = http::start();
    let cl = http::client();
    let admin_c = hub::connect().await?;
    let admin = admin_c.create_channel().await?;
    let who = if naive { "naive" } else { "pipeline" };
    let beam = std::env::var("LIMIT_BROKER_PID")
        .ok()
        .and_then(|x| x.parse().ok())
        .or_else(|| pid_of("beam.smp"))
        .unwrap_or(0);
    head();
    let mut from = 0u64;
    for kind in &kinds {
        for &q in &qs {
            for mode in &modes {
                for &rate in &rates {
                    let cfg = Cfg {
                        batch: a.get("batch", 200),
                        prefetch: a.get("prefetch", 1000),
                        linger: Duration::from_millis(a.get("linger", 5)),
                        url: srv.url.clone(),
                        delay,
                    };
                    let mut sr = Series::new(runs);
                    let mut memo = String::new();
                    let mut stages = String::new();
                    while sr.more() {
                        hub::setup(&admin, kind, q, false).await?;
                        pg.execute("TRUNCATE sync_log").await?;
                        let n = if rate > 0.0 { (rate * a.get("secs", 8.0)) as usize } else { n };
                        let m0 = mem(beam).0;
                        let mut p = Pub::start(n, q, keys, rate, from + 1, from);
                        from += n as u64;
                        let st = Arc::new(Stats::default());
                        let mut pubs = 0.0;
                        let mut pp = None;
                        if mode == "drain" {
                            p.go();
                            pubs = p.wait();
                            tokio::time::sleep(Duration::from_millis(500)).await;
                        } else {
                            pp = Some(p);
                        }
                        let m1 = mem(beam).0;
                        let (c0, t) = (cpu(), Instant::now());
                        let hs: Vec<_> = (0..q)
                            .map(|i| {
                                let (cfg, pg, cl, st) =
                                    (cfg.clone(), pg.clone(), cl.clone(), st.clone());
                                tokio::spawn(async move {
                                    let r = if naive {
                                        naive_worker(i, cfg, pg, cl, st).await
                                    } else {
                                        worker(i, cfg, pg, cl, st).await
                                    };
                                    if let Err(e) = r {
                                        eprintln!("worker {i}: {e}");
                                    }
                                })
                            })
                            .collect();
                        if let Some(p) = pp.as_mut() {
                            p.go();
                        }
                        while st.acked.load(Relaxed) < n {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                            if secs(t.elapsed()) > 300.0 {
                                return Err("stuck".into());
                            }
                        }
                        let e = secs(t.elapsed());
                        let c1 = cpu();
                        if let Some(p) = pp {
                            pubs = p.wait();
                        }
                        for h in hs {
                            h.abort();
                        }
                        let mut l = std::mem::take(&mut *st.lat.lock().unwrap());
                        let me = mem(std::process::id());
                        sr.push(
                            vec![
                                n as f64 / e,
                                pct(&mut l, 0.5),
                                pct(&mut l, 0.99),
                                n as f64 / pubs,
                                n as f64 / st.batches.load(Relaxed) as f64,
                                me.0,
                                me.1,
                                m0,
                                m1,
                            ],
                            n,
                            &c0,
                            &c1,
                        );
                        let us: Vec<f64> =
                            st.stage.iter().map(|x| x.load(Relaxed) as f64).collect();
                        stages = STAGES
                            .iter()
                            .zip(&us)
                            .map(|(k, x)| format!("{k} {:.1}", x / n as f64))
                            .collect::<Vec<_>>()
                            .join(" ");
                        memo = format!("stages us/record: {stages}");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        let r =
                            sqlx::query("SELECT count(DISTINCT delta_id), count(*) FROM sync_log")
                                .fetch_one(&pg)
                                .await?;
                        let (log, rows): (i64, i64) = (r.get(0), r.get(1));
                        let left = hub::depth(&admin, kind, q).await?;
                        if log != n as i64 || rows != n as i64 || left != 0 {
                            eprintln!(
                                "CHECK FAILED: {log} of {n} logged in {rows} rows, {left} left in the queue"
                            );
                        }
                    }
                    let _ = stages;
                    sr.line(
                        &format!(
                            "{who} {mode} {kind} {q} queue(s), delay {delay} ms{}",
                            if rate > 0.0 { format!(", {rate}/s") } else { String::new() }
                        ),
                        "records/s",
                        &[
                            "latency ms p50",
                            "p99",
                            "published/s",
                            "records a batch",
                            "RSS MiB",
                            "peak",
                            "broker MiB before",
                            "after publish",
                        ],
                        &if naive { String::new() } else { memo },
                    );
                }
            }
        }
    }
    hub::teardown(&admin).await?;
    pg.execute("DROP TABLE sync_state; DROP TABLE sync_log").await?;
    Ok(())
}
