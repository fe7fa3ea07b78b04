//! How far a command is, on stderr: a bar that is redrawn on a terminal, a plain line now and then
//! elsewhere. Never a result.

use crate::{env, report};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};
use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

/// Between two plain lines: seldom enough to be read aloud, often enough to show that it goes on.
const PLAIN_EVERY: Duration = Duration::from_secs(30);
/// Between two turns of what shows that a step without an end goes on.
const TURN_EVERY: Duration = Duration::from_millis(200);
/// While nobody knows how much there is.
const OPEN: &str = "{spinner} {msg} {pos} {elapsed}";
/// When it is known.
const BOUNDED: &str = "{msg} [{bar:20}] {pos}/{len} eta {eta}";

/// Whether a terminal may be redrawn.
pub(crate) fn redraws() -> bool {
    !env::accessible() && !env::dumb()
}

/// Begins to tell.
pub(crate) fn begin(what: impl Into<Cow<'static, str>>, quiet: bool) -> ProgressBar {
    begin_as(OPEN, what, quiet)
}

/// Begins to tell, with a bar that looks like this.
pub(crate) fn begin_as(
    template: &str,
    what: impl Into<Cow<'static, str>>,
    quiet: bool,
) -> ProgressBar {
    let drawn = !quiet && redraws() && std::io::stderr().is_terminal();
    let target = if drawn { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    bar.set_style(style(template));
    bar.set_message(what);
    if drawn {
        bar.enable_steady_tick(TURN_EVERY);
    } else if !quiet {
        tokio::spawn(plainly(bar.downgrade(), env::progress().unwrap_or(PLAIN_EVERY)));
    }
    bar
}

/// What is done, how far, and of how much, where that is known.
pub(crate) fn show(
    bar: &ProgressBar,
    what: impl Into<Cow<'static, str>>,
    position: u64,
    of: Option<u64>,
) {
    match of {
        // An estimate may be too small.
        Some(length) => bar.set_length(length.max(position)),
        None => bar.unset_length(),
    }
    bar.set_style(style(if of.is_some() { BOUNDED } else { OPEN }));
    bar.set_position(position);
    bar.set_message(what);
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("##-")
}

/// Tells how far it is, every half minute, until nobody works on it any more.
async fn plainly(bar: WeakProgressBar, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        match bar.upgrade() {
            Some(bar) if !bar.is_finished() => report::note(&plain_line(&bar)),
            Some(_) | None => return,
        }
    }
}

fn plain_line(bar: &ProgressBar) -> String {
    let of = bar.length().map(|length| format!(" of {length}")).unwrap_or_default();
    format!("{} {}{of}, {} s", bar.message(), bar.position(), bar.elapsed().as_secs())
}

#[cfg(test)]
mod tests {
    //! Shows what is told where nothing is redrawn.

    use super::*;

    #[test]
    fn progress_is_a_plain_line_without_a_terminal() {
        let bar = ProgressBar::hidden();
        bar.set_message("customers: reading left");
        bar.set_position(120);
        assert_eq!(plain_line(&bar), "customers: reading left 120, 0 s");
        bar.set_length(830);
        assert_eq!(plain_line(&bar), "customers: reading left 120 of 830, 0 s");
        show(&bar, "customers: matching", 7, None);
        assert_eq!(plain_line(&bar), "customers: matching 7, 0 s", "of nothing that was before");
        show(&bar, "customers: linking", 7, Some(5));
        assert_eq!(plain_line(&bar), "customers: linking 7 of 7, 0 s");
    }

    #[test]
    fn the_templates_are_sound() {
        for template in [OPEN, BOUNDED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
