//! Request use as the side counts it, from the `Sforce-Limit-Info` header of its answers.

use duet_core::stamp::Stamp;
use duet_ports::connector::Usage;

/// Reads `api-usage=18/5000; per-app-api-usage=17/250(appName=x)`.
pub(crate) fn parse(header: &str, at: Stamp) -> Option<Usage> {
    let part = |name: &str| {
        let found = header
            .split([';', ','])
            .map(str::trim)
            .find_map(|part| part.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')));
        found.and_then(pair)
    };
    let (used, max) = part("api-usage")?;
    Some(Usage { used, max, app: part("per-app-api-usage"), at })
}

fn pair(text: &str) -> Option<(u64, u64)> {
    let text = text.split('(').next()?;
    let (used, max) = text.split_once('/')?;
    Some((used.trim().parse().ok()?, max.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_are_read() {
        let header = "api-usage=18/5000; per-app-api-usage=17/250(appName=sample)";
        let usage = parse(header, Stamp(1)).unwrap();
        assert_eq!((usage.used, usage.max, usage.app), (18, 5000, Some((17, 250))));
        assert_eq!(parse("api-usage=1/2", Stamp(1)).unwrap().app, None);
    }

    #[test]
    fn odd_headers_are_read_as_far_as_they_tell() {
        let read = |header: &str| parse(header, Stamp(1)).map(|it| (it.used, it.max, it.app));
        let cases = [
            ("api-usage=0/15000", Some((0, 15_000, None))),
            // More than allowed: the limit is a soft one.
            ("api-usage=15001/15000", Some((15_001, 15_000, None))),
            (" api-usage=1/2 ; per-app-api-usage=3/4(appName=a) ", Some((1, 2, Some((3, 4))))),
            ("per-app-api-usage=3/4(appName=a), api-usage=1/2", Some((1, 2, Some((3, 4))))),
            ("api-usage=1/2; per-app-api-usage=3/4", Some((1, 2, Some((3, 4))))),
            ("api-usage=1/2; per-app-api-usage=x/4(appName=a)", Some((1, 2, None))),
            ("api-usage=1/2; something-new=9/9", Some((1, 2, None))),
            // A name that looks like a count isn't one.
            (
                "api-usage=1/2; per-app-api-usage=3/4(appName=b; api-usage=8/9)",
                Some((1, 2, Some((3, 4)))),
            ),
            ("per-app-api-usage=3/4(appName=a)", None),
            ("api-usage=-1/2", None),
            ("api-usage=1", None),
            ("api-usage=1/2/3", None),
            ("api-usage=99999999999999999999/1", None),
        ];
        for (header, expected) in cases {
            assert_eq!(read(header), expected, "{header}");
        }
        for broken in ["", "api-usage=", "api-usage=x/2", "usage=1/2"] {
            assert_eq!(parse(broken, Stamp(1)), None, "{broken}");
        }
    }
}
