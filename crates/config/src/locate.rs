//! Where in the files the mistakes of others stand: those of binding, of two flows together, and
//! of a connector about its settings.

use crate::code::Code;
use crate::flow::FlowDraft;
use crate::mistake::Mistake;
use crate::project::Project;
use duet_core::bind::{BindMistake, BindPlace, SharedWrite};
use duet_core::id::{ConnectionName, FlowName};
use duet_core::side::Side;
use std::ops::Range;

impl Project {
    /// A flow by its name.
    #[must_use]
    pub fn flow(&self, name: &FlowName) -> Option<&FlowDraft> {
        self.flows.iter().find(|draft| draft.spec.name == *name)
    }

    /// What binding found, with its place.
    #[must_use]
    pub fn locate(&self, found: &BindMistake) -> Mistake {
        let code = Code::of(found.kind);
        let Some(draft) = self.flow(&found.flow) else {
            return Mistake::of_file(code, "duet.toml", found.sentence.clone());
        };
        let span = place(draft, &found.place, found.side);
        let source = &self.sources[draft.source];
        let mut mistake = Mistake::new(code, source, span, found.sentence.clone());
        if let Some(help) = &found.help {
            mistake.help.clone_from(help);
        }
        mistake
    }

    /// A column that two flows may write, with its place in the second.
    #[must_use]
    pub fn locate_shared(&self, shared: &SharedWrite) -> Mistake {
        let SharedWrite { collection, column, flows: (first, second), field, .. } = shared;
        let sentence = format!("{collection}.{column} may be written by the flow {first} too");
        let Some(draft) = self.flow(second) else {
            return Mistake::of_file(Code::SharedWrite, "duet.toml", sentence);
        };
        let span = draft.spans.fields.get(field).map_or(&draft.spans.name, |spans| &spans.name);
        let source = &self.sources[draft.source];
        Mistake::new(Code::SharedWrite, source, span.clone(), sentence)
    }

    /// What a side says about a flow's end as a whole: its collection, key or filter.
    #[must_use]
    pub fn locate_end(&self, flow: &FlowName, side: Side, code: Code, sentence: String) -> Mistake {
        let Some(draft) = self.flow(flow) else {
            return Mistake::of_file(code, "duet.toml", sentence);
        };
        let spans = &draft.spans;
        let set = match code {
            Code::BindNoKey | Code::KeyNotUnique => spans.keys.get(side).as_ref(),
            Code::BadFilter => spans.filters.get(side).as_ref(),
            _ => None,
        };
        let span = set.unwrap_or(spans.collections.get(side)).clone();
        Mistake::new(code, &self.sources[draft.source], span, sentence)
    }

    /// What is wrong with the hub's address. The sentence must hold no value.
    #[must_use]
    pub fn locate_hub(&self, sentence: String) -> Mistake {
        let span = self.servers.as_ref().map_or(0..0, |servers| servers.hub.span.clone());
        Mistake::new(Code::BadSetting, &self.sources[0], span, sentence)
    }

    /// What a connector says about one of its settings, named by its path (`auth.login`). The
    /// sentence must hold no value.
    #[must_use]
    pub fn locate_setting(
        &self,
        connection: &ConnectionName,
        path: &str,
        code: Code,
        sentence: String,
    ) -> Mistake {
        let Some(section) = self.connections.iter().find(|one| one.name == *connection) else {
            return Mistake::of_file(code, "duet.toml", sentence);
        };
        // A setting that is missing is told at the table that lacks it.
        let mut known = path;
        while !section.places.contains_key(known) {
            match known.rsplit_once('.') {
                Some((above, _)) => known = above,
                None => break,
            }
        }
        let span = section.places.get(known).unwrap_or(&section.span).clone();
        Mistake::new(code, &self.sources[0], span, sentence)
    }
}

fn place(draft: &FlowDraft, place: &BindPlace, side: Option<Side>) -> Range<usize> {
    let spans = &draft.spans;
    let found = match place {
        BindPlace::Flow => None,
        BindPlace::End(side) => Some(spans.ends.get(*side)),
        BindPlace::Match(index) => spans.matching.get(*index),
        BindPlace::Constants(side) => Some(spans.constants.get(*side)),
        BindPlace::Soft(side) => Some(spans.soft.get(*side)),
        BindPlace::Field(name) => spans.fields.get(name).map(|field| match side {
            Some(side) => field.columns.get(side),
            None => &field.name,
        }),
    };
    found.unwrap_or(&spans.name).clone()
}
