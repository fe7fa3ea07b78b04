//! Deletes one record: its dependants go with it, keep it, or lose their reference to it. A record that
//! is merged into another one leaves them to that.

use std::collections::BTreeSet;

use super::{Actor, Org, Row, save::sign};
use crate::{
    cell::Cell,
    error::ApiError,
    ids::Id,
    rules::locked,
    schema::{Child, IS_DELETED, OnDelete},
};

type Place = (usize, Id);

/// What deleting a record touches.
#[derive(Default)]
struct Plan {
    gone: BTreeSet<Place>,
    cleared: Vec<(Place, usize)>,
    kept_by: Vec<Place>,
}

impl Org {
    /// Moves a record and what belongs to it to the recycle bin.
    pub(crate) fn delete(&mut self, object: usize, id: Id, actor: &Actor) -> Result<(), ApiError> {
        self.open_for(object, actor)?;
        self.live(object, id, actor.now_ms)?;
        self.before_delete(object, id, actor)?;
        let plan = self.plan(object, id);
        if let Some((at, keeper)) = plan.kept_by.iter().find(|place| !plan.gone.contains(place)) {
            return Err(self.kept(object, id, *at, *keeper));
        }
        let cleared = plan.cleared.iter().map(|(place, _)| place);
        if plan.gone.iter().chain(cleared).any(|(at, id)| self.is_locked(*at, *id, actor.now_ms)) {
            return Err(locked());
        }
        self.whole(|org| org.carry_out(&plan, actor))
    }

    /// Merges a record into another one: what referred to it refers to the survivor, which else stays
    /// as it is, and the record goes to the bin with the survivor's id.
    pub(crate) fn merge(
        &mut self,
        object: usize,
        loser: Id,
        survivor: Id,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let master = self.object(object).find("MasterRecordId").filter(|_| loser != survivor);
        let master = master.ok_or_else(|| ApiError::bad("INVALID_OPERATION", "can't be merged"))?;
        for id in [loser, survivor] {
            self.live(object, id, actor.now_ms)?;
        }
        self.whole(|org| {
            for child in org.object(object).children.clone() {
                for id in org.table(child.object).holders(child.field, &Cell::Id(loser)) {
                    let mut cells = org.current_cells(child.object, id);
                    cells[child.field] = Cell::Id(survivor);
                    org.put_by_system(child.object, cells, actor);
                }
            }
            let mut cells = org.current_cells(object, loser);
            (cells[IS_DELETED], cells[master]) = (Cell::Bool(true), Cell::Id(survivor));
            sign(&mut cells, actor);
            org.put(object, Row { cells }, actor.hidden_until());
            Ok(())
        })
    }

    fn plan(&self, object: usize, id: Id) -> Plan {
        let mut plan = Plan::default();
        let mut open = vec![(object, id)];
        while let Some((at, id)) = open.pop() {
            if !plan.gone.insert((at, id)) {
                continue;
            }
            for child in &self.object(at).children {
                open.extend(self.follow(&mut plan, *child, id));
            }
        }
        plan
    }

    fn follow(&self, plan: &mut Plan, child: Child, parent: Id) -> Vec<Place> {
        let dependants = self.table(child.object).holders(child.field, &Cell::Id(parent));
        let places = dependants.into_iter().map(|id| (child.object, id));
        match child.on_delete {
            OnDelete::Cascade => return places.collect(),
            OnDelete::Restrict => plan.kept_by.extend(places),
            OnDelete::Clear => plan.cleared.extend(places.map(|place| (place, child.field))),
        }
        Vec::new()
    }

    fn kept(&self, object: usize, id: Id, at: usize, keeper: Id) -> ApiError {
        let plural = self.object(at).label_plural.to_lowercase();
        let (name, other) = (self.name_of(object, id), self.name_of(at, keeper));
        let text = format!(
            "Your attempt to delete {name} could not be completed because it is associated with \
             the following {plural}.: {other}\n"
        );
        ApiError::bad("DELETE_FAILED", text)
    }

    fn name_of(&self, object: usize, id: Id) -> String {
        let place = self.object(object).fields.iter().position(|field| field.name_field);
        let row = self.table(object).current(id);
        place
            .and_then(|place| row?.cells[place].text().map(str::to_owned))
            .unwrap_or_else(|| id.to_string())
    }

    fn carry_out(&mut self, plan: &Plan, actor: &Actor) -> Result<(), ApiError> {
        for ((object, id), field) in &plan.cleared {
            if !plan.gone.contains(&(*object, *id)) {
                let mut cells = self.current_cells(*object, *id);
                cells[*field] = Cell::Null;
                self.put_by_system(*object, cells, actor);
            }
        }
        for (object, id) in &plan.gone {
            let mut cells = self.current_cells(*object, *id);
            cells[IS_DELETED] = Cell::Bool(true);
            sign(&mut cells, actor);
            self.put(*object, Row { cells }, actor.hidden_until());
        }
        for (object, id) in &plan.gone {
            self.after_delete(*object, *id, actor)?;
        }
        Ok(())
    }

    pub(super) fn current_cells(&self, object: usize, id: Id) -> Vec<Cell> {
        self.table(object).current(id).expect("found through an index").cells.clone()
    }
}
