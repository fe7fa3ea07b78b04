//! CPU only: parse, three-way merge, serialise.
use crate::ground::*;
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use std::time::Instant;

#[derive(Default, Debug)]
pub(crate) struct Outcome {
    pub(crate) merged: Map<String, Value>,
    pub(crate) write: Map<String, Value>,
    pub(crate) conflicts: u32,
}
/// Field by field: untouched side yields; equal changes agree; both changed: the newer side wins.
pub(crate) fn merge(
    base: &Map<String, Value>,
    left: Map<String, Value>,
    right: &Map<String, Value>,
    left_newer: bool,
) -> Outcome {
    let mut o = Outcome { merged: base.clone(), ..Default::default() };
    for (k, l) in left {
        let b = base.get(&k).unwrap_or(&Value::Null);
        let r = right.get(&k).unwrap_or(b);
        if l == *b {
            if r != b {
                o.merged.insert(k, r.clone());
            }
        } else if r == b {
            o.write.insert(k.clone(), l.clone());
            o.merged.insert(k, l);
        } else if l != *r {
            o.conflicts += 1;
            if left_newer {
                o.write.insert(k.clone(), l.clone());
                o.merged.insert(k, l);
            } else {
                o.merged.insert(k, r.clone());
            }
        } else {
            o.merged.insert(k, l);
        }
    }
    o
}

#[derive(Deserialize)]
struct RawDelta<'a> {
    #[serde(borrow)]
    #[allow(dead_code)]
    id: &'a str,
    #[allow(dead_code)]
    key: &'a str,
    #[allow(dead_code)]
    rev: i64,
    #[serde(borrow)]
    fields: Fields<'a>,
}
/// Fields kept in arrival order as borrowed text: no allocation but the vector.
struct Fields<'a>(Vec<(&'a str, &'a RawValue)>);
impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for V<'a> {
            type Value = Fields<'a>;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut m: A,
            ) -> Result<Fields<'a>, A::Error> {
                let mut v = Vec::with_capacity(24);
                while let Some((k, x)) = m.next_entry::<&'a str, &'a RawValue>()? {
                    v.push((k, x));
                }
                v.sort_unstable_by_key(|x| x.0);
                Ok(Fields(v))
            }
        }
        d.deserialize_map(V(std::marker::PhantomData))
    }
}
fn raw_merge<'a>(
    base: &Fields<'a>,
    left: &Fields<'a>,
    right: &Fields<'a>,
    out: &mut String,
) -> usize {
    let mut n = 0;
    out.clear();
    out.push('{');
    let (mut j, mut k) = (0, 0);
    for (name, b) in &base.0 {
        while j < left.0.len() && left.0[j].0 < *name {
            j += 1;
        }
        while k < right.0.len() && right.0[k].0 < *name {
            k += 1;
        }
        let l = left.0.get(j).filter(|x| x.0 == *name).map_or(*b, |x| x.1);
        let r = right.0.get(k).filter(|x| x.0 == *name).map_or(*b, |x| x.1);
        let v = if l.get() == b.get() {
            r
        } else {
            n += 1;
            l
        };
        if out.len() > 1 {
            out.push(',');
        }
        out.push('"');
        out.push_str(name);
        out.push_str("\":");
        out.push_str(v.get());
    }
    out.push('}');
    n
}

pub(crate) fn run(a: &Args) {
    let runs = a.get("runs", 5usize);
    let n = a.get("n", 40_000usize);
    let mut r = Rng(42);
    let pool: Vec<(String, String, String)> = (0..1000u64)
        .map(|i| {
            let d = delta(i, 1, &mut r);
            let mut p = Map::new();
            p.insert("Phone".into(), Value::from("+1 555 0100"));
            p.insert("Score__c".into(), Value::from(7.5));
            (
                serde_json::to_string(&d).unwrap(),
                serde_json::to_string(&base_image(i)).unwrap(),
                serde_json::to_string(&p).unwrap(),
            )
        })
        .collect();
    println!("delta {} bytes, image {} bytes", pool[0].0.len(), pool[0].1.len());
    let bases: Vec<Map<String, Value>> =
        pool.iter().map(|p| serde_json::from_str(&p.1).unwrap()).collect();
    let pend: Vec<Map<String, Value>> =
        pool.iter().map(|p| serde_json::from_str(&p.2).unwrap()).collect();
    head();
    let mut sink = 0usize;
    let mut go = |name: &str, f: &mut dyn FnMut(usize) -> usize| {
        if !a.has(name.split(':').next().unwrap()) {
            return;
        }
        let mut s = Series::new(runs);
        while s.more() {
            let (c0, t) = (cpu(), Instant::now());
            for i in 0..n {
                sink = sink.wrapping_add(f(i % 1000));
            }
            s.push(vec![n as f64 / secs(t.elapsed())], n, &c0, &cpu());
        }
        s.line(name, "deltas/s/core", &[], "");
    };
    go("parse: delta into Map<String, Value>", &mut |i| {
        serde_json::from_str::<Delta>(&pool[i].0).unwrap().fields.len()
    });
    go("merge: parse delta + merge with ready base", &mut |i| {
        let d: Delta = serde_json::from_str(&pool[i].0).unwrap();
        merge(&bases[i], d.fields, &pend[i], true).write.len()
    });
    go("cycle: parse delta, base, pending + merge + write both bodies", &mut |i| {
        let d: Delta = serde_json::from_str(&pool[i].0).unwrap();
        let b: Map<String, Value> = serde_json::from_str(&pool[i].1).unwrap();
        let p: Map<String, Value> = serde_json::from_str(&pool[i].2).unwrap();
        let o = merge(&b, d.fields, &p, true);
        serde_json::to_string(&o.merged).unwrap().len()
            + serde_json::to_string(&o.write).unwrap().len()
    });
    go("borrowed-parse: delta only", &mut |i| {
        serde_json::from_str::<RawDelta>(&pool[i].0).unwrap().fields.0.len()
    });
    let mut out = String::new();
    go("borrowed-cycle: parse delta, base, pending + merge + write body", &mut |i| {
        let d: RawDelta = serde_json::from_str(&pool[i].0).unwrap();
        let b: Fields = serde_json::from_str(&pool[i].1).unwrap();
        let p: Fields = serde_json::from_str(&pool[i].2).unwrap();
        raw_merge(&b, &d.fields, &p, &mut out) + out.len()
    });
    eprintln!("{sink}");
}
