//! duet-bench-limit: what each part can do by itself on this machine, and two hand-written pipelines to be compared with.
#![allow(
    clippy::too_many_arguments,
    clippy::type_complexity,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "throwaway code that duet is compared with; it is kept as it was measured"
)]

mod ground;
mod http;
mod hub;
mod merge;
mod pipeline;
mod store;

fn main() {
    let a = ground::Args::parse();
    let sub = std::env::args().nth(1).unwrap_or_default();
    if sub == "merge" {
        return merge::run(&a);
    }
    let threads = a.get("threads", 2usize);
    let rt = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap();
    let r = rt.block_on(async {
        match sub.as_str() {
            "hub" => hub::run(&a).await,
            "store" => store::run(&a).await,
            "serve" => http::serve().await,
            "publish" => pipeline::publisher(&a).await,
            "pipeline" => pipeline::run(&a, false).await,
            "naive" => pipeline::run(&a, true).await,
            _ => {
                eprintln!("usage: duet-bench-limit hub|store|merge|pipeline|naive [parts] [--runs N] [--n N] ...");
                Ok(())
            }
        }
    });
    if let Err(e) = r {
        eprintln!("error: {e}");
        std::process::exit(1);
    }
}
