//! What a side says about a flow's end that only the configuration can mend, with its place there: a
//! collection that isn't there, a key or a filter that can't be used.
//!
//! Not here: rights, captures and connections, which are mended on the side (`commands/check`).

use duet_config::{Code, Mistake, Project};
use duet_core::id::FlowName;
use duet_core::side::Side;
use duet_ports::connector::{About, ConnectorError, Description, NO_COLLECTION, NO_KEY, Remark};

/// The mistakes in what describing one end of a flow came to.
pub(crate) fn mistakes(
    project: &Project,
    flow: &FlowName,
    side: Side,
    described: &Result<Description, ConnectorError>,
) -> Vec<Mistake> {
    let locate = |(code, text): (Code, &str)| {
        project.locate_end(flow, side, code, format!("{side}: {text}"))
    };
    match described {
        Ok(description) => description.remarks.iter().filter_map(of_remark).map(locate).collect(),
        Err(error) => of_error(error).map(locate).into_iter().collect(),
    }
}

/// Whether a remark is such a mistake.
pub(crate) fn is_mistake(remark: &Remark) -> bool {
    of_remark(remark).is_some()
}

fn of_remark(remark: &Remark) -> Option<(Code, &str)> {
    let code = match remark.about.filter(|_| remark.fatal)? {
        About::Key => Code::KeyNotUnique,
        About::Filter => Code::BadFilter,
    };
    Some((code, &remark.text))
}

/// The mistake that a failure to describe an end is, if it is one.
pub(crate) fn of_error(error: &ConnectorError) -> Option<(Code, &str)> {
    let code = match error.failure.code.as_str() {
        NO_COLLECTION => Code::NoSuchCollection,
        NO_KEY => Code::BindNoKey,
        _ => return None,
    };
    Some((code, &error.failure.message))
}
