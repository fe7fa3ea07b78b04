//! What the configuration alone can't tell: settings that only their connector or the hub reads,
//! and columns that two flows may write. Touches no network.

use duet_config::{Code, ConnectionSection, Mistake, Project};
use duet_core::bind::refuse_shared_writes;
use duet_core::spec::FlowSpec;
use duet_hub::RabbitSettings;
use duet_salesforce::Settings as SalesforceSettings;
use duet_sql::{Product, Settings as SqlSettings};

/// Everything that is wrong beyond the text.
pub(crate) fn project(project: &Project) -> Vec<Mistake> {
    let mut wrong: Vec<Mistake> =
        project.connections.iter().flat_map(|section| settings(project, section)).collect();
    let flows: Vec<FlowSpec> = project.flows.iter().map(|flow| flow.spec.clone()).collect();
    let parsed = project.servers.as_ref().map(|servers| RabbitSettings::parse(&servers.hub.url));
    if let Some(Err(error)) = parsed {
        wrong.push(project.locate_hub(format!("url: {error}")));
    }
    wrong.extend(refuse_shared_writes(&flows).iter().map(|shared| project.locate_shared(shared)));
    wrong
}

fn settings(project: &Project, section: &ConnectionSection) -> Vec<Mistake> {
    let located = |(path, sentence): (String, String)| {
        project.locate_setting(&section.name, &path, Code::BadSetting, sentence)
    };
    told(section).into_iter().map(located).collect()
}

/// Path and sentence of each.
fn told(section: &ConnectionSection) -> Vec<(String, String)> {
    if let Some(product) = Product::of(&section.kind) {
        return match SqlSettings::parse(product, &section.settings) {
            Ok(_) => Vec::new(),
            Err(mistakes) => {
                let told = |mistake: duet_sql::Mistake| {
                    let sentence = mistake.to_string();
                    (mistake.key, sentence)
                };
                mistakes.into_iter().map(told).collect()
            }
        };
    }
    match section.kind.as_str() {
        "salesforce" => match SalesforceSettings::parse(&section.settings) {
            Ok(_) => Vec::new(),
            Err(mistakes) => {
                let told = |mistake: duet_salesforce::Mistake| {
                    let sentence = mistake.to_string();
                    (mistake.key, sentence)
                };
                mistakes.into_iter().map(told).collect()
            }
        },
        // The configuration refuses every other kind.
        _ => Vec::new(),
    }
}
