//! RabbitMQ through lapin: publish with confirms, consume with acks, pass-through, latency.
use crate::ground::*;
use futures_util::{StreamExt, stream};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::*,
    types::{AMQPValue, FieldTable},
};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) async fn connect() -> Res<Connection> {
    Ok(Connection::connect(&amqp_url(), ConnectionProperties::default()).await?)
}
pub(crate) fn qargs(kind: &str, sac: bool) -> FieldTable {
    let mut t = FieldTable::default();
    match kind {
        "quorum" => {
            t.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        }
        "classic2" => {
            t.insert("x-queue-version".into(), AMQPValue::LongLongInt(2));
        }
        _ => {}
    }
    if sac {
        t.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    }
    t
}
pub(crate) fn qname(i: usize) -> String {
    format!("limit.q{i}")
}
/// (Re)creates `n` queues of a kind bound to a consistent-hash exchange; one queue is reached through the default exchange.
pub(crate) async fn setup(ch: &Channel, kind: &str, n: usize, sac: bool) -> Res<()> {
    teardown(ch).await?;
    if n > 1 {
        ch.exchange_declare(
            "limit.x".into(),
            ExchangeKind::Custom("x-consistent-hash".into()),
            ExchangeDeclareOptions { durable: true, ..Default::default() },
            FieldTable::default(),
        )
        .await?;
    }
    for i in 0..n {
        ch.queue_declare(
            qname(i).as_str().into(),
            QueueDeclareOptions { durable: true, ..Default::default() },
            qargs(kind, sac),
        )
        .await?;
        if n > 1 {
            ch.queue_bind(
                qname(i).as_str().into(),
                "limit.x".into(),
                "10".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
        }
    }
    Ok(())
}
pub(crate) async fn teardown(ch: &Channel) -> Res<()> {
    for i in 0..16 {
        let _ = ch.queue_delete(qname(i).as_str().into(), QueueDeleteOptions::default()).await?;
    }
    ch.exchange_delete("limit.x".into(), ExchangeDeleteOptions::default()).await?;
    Ok(())
}
pub(crate) async fn depth(ch: &Channel, kind: &str, n: usize) -> Res<u32> {
    let mut s = 0;
    for i in 0..n {
        let q = ch
            .queue_declare(
                qname(i).as_str().into(),
                QueueDeclareOptions { durable: true, passive: true, ..Default::default() },
                qargs(kind, false),
            )
            .await?;
        s += q.message_count();
    }
    Ok(s)
}
pub(crate) fn props() -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2).with_content_type("application/json".into())
}
pub(crate) fn route(n: usize, key: &str) -> (&'static str, String) {
    if n > 1 { ("limit.x", key.to_string()) } else { ("", qname(0)) }
}
/// 1000 messages; each carries `bundle` deltas (a JSON array when more than one).
pub(crate) fn pool(bundle: usize) -> Arc<Vec<(String, Vec<u8>)>> {
    let mut r = Rng(7);
    Arc::new(
        (0..1000u64)
            .map(|i| {
                let d: Vec<Delta> = (0..bundle).map(|_| delta(i, 1, &mut r)).collect();
                (
                    d[0].key.clone(),
                    if bundle == 1 {
                        serde_json::to_vec(&d[0]).unwrap()
                    } else {
                        serde_json::to_vec(&d).unwrap()
                    },
                )
            })
            .collect(),
    )
}

async fn settle(c: impl Future<Output = lapin::Result<lapin::Confirmation>>) -> Res<bool> {
    Ok(c.await?.is_ack())
}

/// Publishes `n` messages; `mode`: one = await each confirm, serial = await each publish but keep `inflight`
/// confirms open, pipe = `inflight` publishes under way at once. Returns (secs, confirm latencies in ms).
pub(crate) async fn publish(
    ch: &Channel,
    n: usize,
    queues: usize,
    mode: &str,
    inflight: usize,
    pool: &Arc<Vec<(String, Vec<u8>)>>,
    from: usize,
    step: usize,
) -> Res<(f64, Vec<f64>)> {
    ch.confirm_select(ConfirmSelectOptions::default()).await?;
    let t = Instant::now();
    let mut lat = Vec::with_capacity(n);
    match mode {
        "one" => {
            for i in 0..n {
                let (k, p) = &pool[(from + i * step) % pool.len()];
                let (x, rk) = route(queues, k);
                let s = Instant::now();
                let c = ch
                    .basic_publish(
                        x.into(),
                        rk.as_str().into(),
                        BasicPublishOptions::default(),
                        p,
                        props(),
                    )
                    .await?
                    .await?;
                assert!(c.is_ack());
                lat.push(secs(s.elapsed()) * 1e3);
            }
        }
        "serial" => {
            let mut open: std::collections::VecDeque<(Instant, _)> =
                std::collections::VecDeque::with_capacity(inflight);
            for i in 0..n {
                let (k, p) = &pool[(from + i * step) % pool.len()];
                let (x, rk) = route(queues, k);
                if open.len() >= inflight {
                    let (s, c) = open.pop_front().unwrap();
                    assert!(settle(c).await?);
                    lat.push(secs(s.elapsed()) * 1e3);
                }
                let s = Instant::now();
                open.push_back((
                    s,
                    ch.basic_publish(
                        x.into(),
                        rk.as_str().into(),
                        BasicPublishOptions::default(),
                        p,
                        props(),
                    )
                    .await?,
                ));
            }
            for (s, c) in open {
                assert!(settle(c).await?);
                lat.push(secs(s.elapsed()) * 1e3);
            }
        }
        _ => {
            let mut st = stream::iter(0..n)
                .map(|i| {
                    let pool = pool.clone();
                    async move {
                        let (k, p) = &pool[(from + i * step) % pool.len()];
                        let (x, rk) = route(queues, k);
                        let s = Instant::now();
                        let c = ch
                            .basic_publish(
                                x.into(),
                                rk.as_str().into(),
                                BasicPublishOptions::default(),
                                p,
                                props(),
                            )
                            .await?
                            .await?;
                        assert!(c.is_ack());
                        Ok::<f64, lapin::Error>(secs(s.elapsed()) * 1e3)
                    }
                })
                .buffered(inflight);
            while let Some(x) = st.next().await {
                lat.push(x?);
            }
        }
    }
    Ok((secs(t.elapsed()), lat))
}

/// Consumes `n` messages from queue `q`; acks each (`every` = 1) or with multiple every `every` messages.
pub(crate) async fn consume(
    ch: &Channel,
    q: usize,
    n: usize,
    prefetch: u16,
    every: usize,
    mut on: impl FnMut(&[u8]),
) -> Res<f64> {
    ch.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let tag = format!("c{q}");
    let mut c = ch
        .basic_consume(
            qname(q).as_str().into(),
            tag.as_str().into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let t = Instant::now();
    let mut got = 0;
    while got < n {
        let d = c.next().await.ok_or("consumer ended")??;
        on(&d.data);
        got += 1;
        if every == 1 {
            d.acker.ack(BasicAckOptions::default()).await?;
        } else if got % every == 0 || got == n {
            d.acker.ack(BasicAckOptions { multiple: true }).await?;
        } else {
            std::mem::forget(d.acker); // covered by a later multiple ack
        }
    }
    let e = secs(t.elapsed());
    ch.basic_cancel(tag.as_str().into(), BasicCancelOptions::default()).await?;
    Ok(e)
}

pub(crate) async fn run(a: &Args) -> Res<()> {
    let runs = a.get("runs", 3usize);
    let scale = a.get("scale", 1.0f64);
    let sz = |n: usize| (n as f64 * scale) as usize;
    let conn = connect().await?;
    let admin = conn.create_channel().await?;
    let bundle = a.get("bundle", 1usize);
    let pool = pool(bundle);
    println!("message {} bytes, {bundle} delta(s) each", pool[0].1.len());
    head();
    let kinds: Vec<String> = a
        .get("kinds", "classic,classic2,quorum".to_string())
        .split(',')
        .map(String::from)
        .collect();
    if a.has("publish") {
        for kind in &kinds {
            for (mode, inflight, n) in [
                ("one", 1, 3000),
                ("serial", 256, 30000),
                ("pipe", 32, 30000),
                ("pipe", 256, 40000),
                ("pipe", 1024, 40000),
            ] {
                if !wanted(a, "modes", format!("{mode}{inflight}")) {
                    continue;
                }
                let mut sr = Series::new(runs);
                while sr.more() {
                    setup(&admin, kind, 1, false).await?;
                    let c2 = connect().await?;
                    let ch = c2.create_channel().await?;
                    let (c0, n) = (cpu(), sz(n));
                    let (s, mut l) = publish(&ch, n, 1, mode, inflight, &pool, 0, 1).await?;
                    sr.push(
                        vec![n as f64 / s, pct(&mut l, 0.5), pct(&mut l, 0.99)],
                        n,
                        &c0,
                        &cpu(),
                    );
                    let _ = tokio::time::timeout(Duration::from_secs(2), c2.close(200, "".into()))
                        .await;
                }
                sr.line(
                    &format!("publish {kind} {mode} {inflight}"),
                    "msg/s",
                    &["confirm p50 ms", "p99 ms"],
                    "",
                );
            }
        }
    }
    if a.has("consume") {
        for kind in &kinds {
            for (pf, every, n) in [
                (1u16, 1usize, 4000usize),
                (32, 1, 30000),
                (256, 1, 30000),
                (1000, 1, 30000),
                (256, 64, 40000),
                (1000, 200, 40000),
                (2000, 500, 40000),
            ] {
                if !wanted(a, "acks", format!("{pf}/{every}")) {
                    continue;
                }
                let mut sr = Series::new(runs);
                while sr.more() {
                    setup(&admin, kind, 1, false).await?;
                    let c2 = connect().await?;
                    let ch = c2.create_channel().await?;
                    let n = sz(n);
                    publish(&ch, n, 1, "pipe", 512, &pool, 0, 1).await?;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let c0 = cpu();
                    let s = consume(&c2.create_channel().await?, 0, n, pf, every, |_| {}).await?;
                    sr.push(vec![n as f64 / s], n, &c0, &cpu());
                    let _ = tokio::time::timeout(Duration::from_secs(2), c2.close(200, "".into()))
                        .await;
                }
                sr.line(
                    &format!(
                        "consume {kind} prefetch {pf} ack {}",
                        if every == 1 { "each".into() } else { format!("multiple {every}") }
                    ),
                    "msg/s",
                    &[],
                    "",
                );
            }
        }
    }
    if a.has("through") {
        for kind in &kinds {
            for (queues, producers, sac, pf, every) in [
                (1usize, 1usize, false, 1000u16, 200usize),
                (1, 2, false, 1000, 200),
                (1, 1, true, 1000, 200),
                (8, 1, false, 1000, 200),
                (8, 2, false, 1000, 200),
                (8, 2, true, 1000, 200),
            ] {
                if bundle > 1 && (queues > 1 || sac) {
                    continue;
                }
                let mut sr = Series::new(runs);
                let n = sz(48000);
                while sr.more() {
                    setup(&admin, kind, queues, sac).await?;
                    let c0 = cpu();
                    let s = through(n, queues, producers, pf, every, &pool).await?;
                    sr.push(vec![n as f64 / s], n, &c0, &cpu());
                }
                sr.line(
                    &format!(
                        "pass-through {kind} {queues} queue(s) {producers} producer(s){}",
                        if sac { " SAC" } else { "" }
                    ),
                    "msg/s",
                    &[],
                    &format!("prefetch {pf}, ack multiple {every}"),
                );
            }
        }
    }
    if a.has("latency") {
        for kind in &kinds {
            for rate in a
                .get("rates", "1000,5000,10000".to_string())
                .split(',')
                .map(|x| x.parse::<f64>().unwrap())
            {
                let mut sr = Series::new(runs);
                while sr.more() {
                    setup(&admin, kind, 1, false).await?;
                    let c0 = cpu();
                    let mut l = latency(rate, (rate * 4.0) as usize).await?;
                    sr.push(vec![pct(&mut l, 0.5), pct(&mut l, 0.99)], l.len(), &c0, &cpu());
                }
                sr.line(
                    &format!("publish to delivery {kind} at {rate}/s"),
                    "ms p50",
                    &["p99 ms"],
                    "open loop",
                );
            }
        }
    }
    teardown(&admin).await?;
    conn.close(200, "".into()).await?;
    Ok(())
}

async fn through(
    n: usize,
    queues: usize,
    producers: usize,
    pf: u16,
    every: usize,
    pool: &Arc<Vec<(String, Vec<u8>)>>,
) -> Res<f64> {
    // The hash spreads the 1000 keys unevenly, so consumers share one counter and stop by it.
    let got = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let done = Arc::new(tokio::sync::Notify::new());
    let cconn = Arc::new(connect().await?);
    let mut hs = vec![];
    let t = Instant::now();
    for q in 0..queues {
        let (got, done, cconn) = (got.clone(), done.clone(), cconn.clone());
        hs.push(tokio::spawn(async move {
            let ch = cconn.create_channel().await?;
            ch.basic_qos(pf, BasicQosOptions::default()).await?;
            let mut c = ch
                .basic_consume(
                    qname(q).as_str().into(),
                    format!("c{q}").as_str().into(),
                    BasicConsumeOptions::default(),
                    FieldTable::default(),
                )
                .await?;
            let mut since = 0;
            let mut last = 0u64;
            loop {
                match tokio::time::timeout(Duration::from_millis(20), c.next()).await {
                    Ok(Some(d)) => {
                        let d = d?;
                        last = d.delivery_tag;
                        std::mem::forget(d.acker);
                        since += 1;
                        if since == every {
                            ch.basic_ack(last, BasicAckOptions { multiple: true }).await?;
                            got.fetch_add(since, std::sync::atomic::Ordering::SeqCst);
                            since = 0;
                        }
                    }
                    Ok(None) => break,
                    Err(_) => {
                        if since > 0 {
                            ch.basic_ack(last, BasicAckOptions { multiple: true }).await?;
                            got.fetch_add(since, std::sync::atomic::Ordering::SeqCst);
                            since = 0;
                        }
                    }
                }
                if got.load(std::sync::atomic::Ordering::SeqCst) >= n {
                    done.notify_waiters();
                    break;
                }
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        }));
    }
    let mut ps = vec![];
    for p in 0..producers {
        let pool = pool.clone();
        ps.push(tokio::spawn(async move {
            let c = connect().await?;
            let ch = c.create_channel().await?;
            publish(&ch, n / producers, queues, "pipe", 256, &pool, p, producers).await?;
            let _ = tokio::time::timeout(Duration::from_secs(2), c.close(200, "".into())).await;
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        }));
    }
    for p in ps {
        p.await??;
    }
    while got.load(std::sync::atomic::Ordering::SeqCst) < n / producers * producers {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let s = secs(t.elapsed());
    for h in hs {
        h.abort();
    }
    let _ = tokio::time::timeout(Duration::from_secs(2), cconn.close(200, "".into())).await;
    Ok(s)
}

/// Open loop at a fixed rate; the scheduled time is in the message, so a stall counts.
async fn latency(rate: f64, n: usize) -> Res<Vec<f64>> {
    let pc = connect().await?;
    let cc = connect().await?;
    let cch = cc.create_channel().await?;
    let h = tokio::spawn(async move {
        let mut l = Vec::with_capacity(n);
        consume(&cch, 0, n, 256, 1, |d| {
            l.push((now_us() - u64::from_le_bytes(d[..8].try_into().unwrap())) as f64 / 1e3)
        })
        .await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(l)
    });
    let ch = pc.create_channel().await?;
    ch.confirm_select(ConfirmSelectOptions::default()).await?;
    let start = now_us() + 20_000;
    let body = vec![b'x'; 1016];
    let mut open = stream::FuturesUnordered::new();
    for i in 0..n {
        let due = start + (i as f64 / rate * 1e6) as u64;
        let now = now_us();
        if due > now {
            tokio::time::sleep(Duration::from_micros(due - now)).await;
        }
        let mut p = due.to_le_bytes().to_vec();
        p.extend_from_slice(&body);
        let ch = ch.clone();
        open.push(tokio::spawn(async move {
            ch.basic_publish(
                "".into(),
                qname(0).as_str().into(),
                BasicPublishOptions::default(),
                &p,
                props(),
            )
            .await?
            .await
        }));
        while open.len() > 1024 {
            open.next().await;
        }
    }
    while let Some(x) = open.next().await {
        x??;
    }
    let l = h.await??;
    let _ = tokio::time::timeout(Duration::from_secs(2), pc.close(200, "".into())).await;
    let _ = tokio::time::timeout(Duration::from_secs(2), cc.close(200, "".into())).await;
    Ok(l)
}
