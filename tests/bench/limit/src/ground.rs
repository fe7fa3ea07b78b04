//! Shared pieces: arguments, the delta generator, medians, CPU and memory accounting.
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) type Res<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
pub(crate) const OBJECT: &str = "Contact";

#[derive(Clone)]
pub(crate) struct Args(pub(crate) HashMap<String, String>, pub(crate) Vec<String>);
impl Args {
    pub(crate) fn parse() -> Self {
        let (mut m, mut rest) = (HashMap::new(), vec![]);
        let mut it = std::env::args().skip(2).peekable();
        while let Some(a) = it.next() {
            if let Some(k) = a.strip_prefix("--") {
                m.insert(k.to_string(), it.next().unwrap_or_default());
            } else {
                rest.push(a);
            }
        }
        Args(m, rest)
    }
    pub(crate) fn get<T: std::str::FromStr>(&self, k: &str, d: T) -> T {
        self.0.get(k).and_then(|v| v.parse().ok()).unwrap_or(d)
    }
    pub(crate) fn has(&self, s: &str) -> bool {
        self.1.is_empty() || self.1.iter().any(|x| x == s)
    }
}

/// Whether a case was asked for: `--sizes 200`, `--connections 1`, `--sync on`, `--how json_each`,
/// `--modes pipe256`, `--acks 1000/200`.
pub(crate) fn wanted(a: &Args, what: &str, case: impl ToString) -> bool {
    a.0.get(what).is_none_or(|x| x.split(',').any(|x| x == case.to_string()))
}

pub(crate) fn amqp_url() -> String {
    std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://guest:guest@127.0.0.1:5672/%2f".into())
}
pub(crate) fn database_url() -> String {
    std::env::var("DATABASE_URL")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/duet_perf".into())
}

#[derive(Serialize, Deserialize, Clone, Debug)]
pub(crate) struct Delta {
    pub(crate) id: String,
    pub(crate) object: String,
    pub(crate) key: String,
    pub(crate) side: String,
    pub(crate) op: String,
    pub(crate) rev: i64,
    pub(crate) at_us: u64,
    pub(crate) changed_at: String,
    pub(crate) fields: Map<String, Value>,
}

pub(crate) struct Rng(pub(crate) u64);
impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

const TEXT: [&str; 12] = [
    "FirstName",
    "LastName",
    "Email",
    "Phone",
    "Title",
    "Department",
    "MailingStreet",
    "MailingCity",
    "MailingCountry",
    "LeadSource",
    "Description",
    "AssistantName",
];
fn text(r: &mut Rng) -> String {
    format!("{:016x}{:016x}{:06x}", r.next(), r.next(), r.next() >> 40)
}
/// 20 fields: 12 texts, 4 numbers, 2 booleans, 1 date, 1 null.
pub(crate) fn image(r: &mut Rng) -> Map<String, Value> {
    let mut m = Map::new();
    for n in TEXT {
        m.insert(n.into(), Value::String(text(r)));
    }
    for n in ["AnnualRevenue__c", "Score__c", "Latitude", "Longitude"] {
        m.insert(n.into(), Value::from((r.next() >> 20) as f64 / 1024.0));
    }
    m.insert("DoNotCall".into(), Value::Bool(r.below(2) == 0));
    m.insert("HasOptedOutOfEmail".into(), Value::Bool(false));
    m.insert(
        "Birthdate".into(),
        Value::String(format!("19{:02}-0{}-1{}", r.below(99), 1 + r.below(9), r.below(9))),
    );
    m.insert("ReportsToId".into(), Value::Null);
    m
}
pub(crate) fn key_of(i: u64) -> String {
    format!("EXT-{i:010}")
}
/// A delta that changes 4 of the 20 fields of the stored image of that key.
pub(crate) fn delta(key: u64, rev: i64, r: &mut Rng) -> Delta {
    let mut f = image(&mut Rng(0x9E37_79B9_7F4A_7C15 ^ (key + 1)));
    for n in ["Phone", "Title", "Department", "MailingCity"] {
        f.insert(n.into(), Value::String(text(r)));
    }
    Delta {
        id: format!("{:016x}-{:016x}", r.next(), r.next()),
        object: OBJECT.into(),
        key: key_of(key),
        side: "sql".into(),
        op: "update".into(),
        rev,
        at_us: 0,
        changed_at: "2026-11-21T20:58:23.605123Z".into(),
        fields: f,
    }
}
pub(crate) fn base_image(key: u64) -> Map<String, Value> {
    image(&mut Rng(0x9E37_79B9_7F4A_7C15 ^ (key + 1)))
}

pub(crate) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

pub(crate) fn median(v: &mut [f64]) -> f64 {
    v.sort_by(f64::total_cmp);
    if v.is_empty() {
        return f64::NAN;
    }
    let h = v.len() / 2;
    if v.len() % 2 == 1 { v[h] } else { (v[h - 1] + v[h]) / 2.0 }
}
pub(crate) fn pct(v: &mut [f64], p: f64) -> f64 {
    v.sort_by(f64::total_cmp);
    if v.is_empty() {
        return f64::NAN;
    }
    v[((v.len() as f64 - 1.0) * p).round() as usize]
}

/// Runs made for each one that is wanted. `LIMIT_TRIES=1`: whoever started this judges by itself
/// what strangers did.
fn tries() -> usize {
    std::env::var("LIMIT_TRIES").ok().and_then(|x| x.parse().ok()).unwrap_or(2)
}

/// Runs of one case. The machine is shared, so each run notes how many cores strangers used; up to twice
/// the wanted runs are made and those with the quietest neighbours are kept.
pub(crate) struct Series {
    want: usize,
    all: Vec<(f64, Vec<f64>, String, Vec<(String, f64)>)>,
}
impl Series {
    pub(crate) fn new(want: usize) -> Self {
        Series { want, all: vec![] }
    }
    pub(crate) fn more(&self) -> bool {
        let quiet = self.all.iter().filter(|x| x.0 < 0.20).count();
        quiet < self.want && self.all.len() < self.want * tries()
    }
    /// `n`: how many records the run moved, for the CPU time of each.
    pub(crate) fn push(&mut self, m: Vec<f64>, n: usize, a: &Cpu, b: &Cpu) {
        let us =
            b.by.keys()
                .filter(|k| *k != "all" && *k != "steal")
                .map(|k| (k.clone(), cpu_of(a, b, k) / n as f64 * 1e6))
                .collect();
        self.all.push((others(a, b), m, cores(a, b), us));
    }
    /// The first metric is the headline; `labels` name the others.
    pub(crate) fn line(mut self, name: &str, unit: &str, labels: &[&str], note: &str) -> f64 {
        self.all.sort_by(|x, y| x.0.total_cmp(&y.0));
        self.all.truncate(self.want);
        let col = |i: usize| -> Vec<f64> { self.all.iter().map(|x| x.1[i]).collect() };
        let mut v = col(0);
        let m = median(&mut v);
        let mut ex: Vec<String> = labels
            .iter()
            .enumerate()
            .map(|(i, l)| format!("{l} {}", num(median(&mut col(i + 1)))))
            .collect();
        if !note.is_empty() {
            ex.push(note.into());
        }
        let mid = &self
            .all
            .iter()
            .min_by(|x, y| (x.1[0] - m).abs().total_cmp(&(y.1[0] - m).abs()))
            .unwrap();
        let mut us: Vec<(String, f64)> = mid
            .3
            .iter()
            .map(|(k, _)| {
                let mut c: Vec<f64> = self
                    .all
                    .iter()
                    .map(|x| x.3.iter().find(|y| y.0 == *k).map_or(0.0, |y| y.1))
                    .collect();
                (k.clone(), median(&mut c))
            })
            .filter(|x| x.1 >= 0.05)
            .collect();
        us.sort_by(|x, y| y.1.total_cmp(&x.1));
        let sum: f64 = us.iter().map(|x| x.1).sum();
        let by = us.iter().map(|(k, x)| format!("{k} {}", short(*x))).collect::<Vec<_>>().join(" ");
        println!(
            "| {name} | {} | {}..{} | {unit} | {} | {} ({by}) | {} |",
            num(m),
            num(v[0]),
            num(v[v.len() - 1]),
            ex.join(", "),
            short(sum),
            mid.2
        );
        if std::env::var("LIMIT_JSON").is_ok() {
            let more: Map<String, Value> = labels
                .iter()
                .enumerate()
                .map(|(i, l)| (l.to_string(), median(&mut col(i + 1)).into()))
                .collect();
            let cpu: Map<String, Value> =
                us.iter().map(|(k, x)| (k.clone(), (*x).into())).collect();
            println!(
                "{}",
                serde_json::json!({"name": name, "value": m, "more": more, "cpu": cpu, "strangers": self.all[0].0})
            );
        }
        m
    }
}
pub(crate) fn head() {
    println!(
        "| what | median | min..max | unit | more | CPU us/record | cores used |\n|---|---|---|---|---|---|---|"
    );
}
pub(crate) fn short(x: f64) -> String {
    if x >= 100.0 {
        format!("{x:.0}")
    } else if x >= 10.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.2}")
    }
}
pub(crate) fn num(x: f64) -> String {
    if x.abs() >= 1000.0 {
        format!("{x:.0}")
    } else if x.abs() >= 10.0 {
        format!("{x:.1}")
    } else {
        format!("{x:.3}")
    }
}

/// CPU seconds by process group: this process, its `serve`/`publish` children, broker, postgres.
#[derive(Clone, Default, Debug)]
pub(crate) struct Cpu {
    pub(crate) by: HashMap<String, f64>,
    pub(crate) at: Option<Instant>,
}
pub(crate) fn cpu() -> Cpu {
    let me = std::process::id().to_string();
    let mut by: HashMap<String, f64> = HashMap::new();
    let hz = 100.0;
    let env = |k: &str| std::env::var(k).ok();
    let (rp, pp) = (env("LIMIT_BROKER_PID"), env("LIMIT_POSTGRES_PID"));
    for e in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = e.file_name().to_string_lossy().to_string();
        if !pid.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Ok(s) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let (Some(a), Some(b)) = (s.find('('), s.rfind(')')) else { continue };
        let comm = &s[a + 1..b];
        let f: Vec<&str> = s[b + 2..].split(' ').collect();
        let t = |i: usize| f[i].parse::<f64>().unwrap_or(0.0) / hz;
        let own = t(11) + t(12);
        let kids = t(13) + t(14);
        if pid == me {
            *by.entry("self".into()).or_default() += own;
        } else if comm == "beam.smp" && rp.as_ref().is_none_or(|x| *x == pid) {
            *by.entry("rabbit".into()).or_default() += own;
        } else if comm == "postgres" && pp.as_ref().is_none_or(|x| *x == pid || x == f[1]) {
            *by.entry("postgres".into()).or_default() += own + kids;
        } else if f[1] == me {
            let cl = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let sub = cl.split('\0').nth(1).unwrap_or("publish").to_string();
            *by.entry(sub).or_default() += own;
        }
    }
    if let Ok(s) = std::fs::read_to_string("/proc/stat") {
        let v: Vec<f64> = s
            .lines()
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(1)
            .filter_map(|x| x.parse().ok())
            .collect();
        if v.len() > 7 {
            by.insert("all".into(), (v[0] + v[1] + v[2] + v[5] + v[6]) / hz);
            by.insert("steal".into(), v[7] / hz);
        }
    }
    Cpu { by, at: Some(Instant::now()) }
}
pub(crate) fn others(a: &Cpu, b: &Cpu) -> f64 {
    let dt = b.at.unwrap().duration_since(a.at.unwrap()).as_secs_f64();
    let known: f64 =
        b.by.iter()
            .filter(|x| *x.0 != "all" && *x.0 != "steal")
            .map(|(k, x)| x - a.by.get(k).copied().unwrap_or(0.0))
            .sum();
    ((cpu_of(a, b, "all") - known) / dt).max(0.0)
}
/// Cores used by each group between two snapshots; `strangers` is all the rest of the machine, kernel threads too.
pub(crate) fn cores(a: &Cpu, b: &Cpu) -> String {
    let dt = b.at.unwrap().duration_since(a.at.unwrap()).as_secs_f64();
    let mut v: Vec<(String, f64)> =
        b.by.iter()
            .filter(|x| x.0 != "all")
            .map(|(k, x)| (k.clone(), (x - a.by.get(k).copied().unwrap_or(0.0)) / dt))
            .collect();
    v.sort_by(|x, y| y.1.total_cmp(&x.1));
    v.push(("strangers".into(), others(a, b)));
    v.iter()
        .filter(|x| x.1 > 0.005)
        .map(|(k, x)| format!("{k} {x:.2}"))
        .collect::<Vec<_>>()
        .join(", ")
}
pub(crate) fn cpu_of(a: &Cpu, b: &Cpu, k: &str) -> f64 {
    b.by.get(k).copied().unwrap_or(0.0) - a.by.get(k).copied().unwrap_or(0.0)
}

pub(crate) fn mem(pid: u32) -> (f64, f64) {
    let s = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let g = |k: &str| {
        s.lines()
            .find(|l| l.starts_with(k))
            .and_then(|l| l.split_whitespace().nth(1))
            .and_then(|x| x.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
            / 1024.0
    };
    (g("VmRSS:"), g("VmHWM:"))
}
pub(crate) fn pid_of(comm: &str) -> Option<u32> {
    for e in std::fs::read_dir("/proc").ok()?.flatten() {
        let pid = e.file_name().to_string_lossy().to_string();
        if std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .map(|c| c.trim() == comm)
            .unwrap_or(false)
        {
            return pid.parse().ok();
        }
    }
    None
}

/// Starts this same binary with another subcommand; its first stdout line is returned.
pub(crate) fn child(
    args: &[String],
) -> (std::process::Child, std::io::BufReader<std::process::ChildStdout>) {
    let mut c = std::process::Command::new(std::env::current_exe().unwrap())
        .args(args)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("child");
    let out = std::io::BufReader::new(c.stdout.take().unwrap());
    (c, out)
}
pub(crate) fn secs(d: Duration) -> f64 {
    d.as_secs_f64()
}
