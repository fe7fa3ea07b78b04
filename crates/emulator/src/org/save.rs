//! Creates and updates one record. Each is whole or not at all.

use serde_json::{Map, Value};

use super::{Fields, Org, Row, input::Use};
use crate::{
    cell::Cell,
    clock::whole_second,
    error::ApiError,
    ids::Id,
    rules::locked,
    schema::{CREATED_BY, CREATED_DATE, ID, MODIFIED_BY, MODIFIED_DATE, STAMP},
};

/// On whose behalf, and when, something is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    pub(crate) user: Id,
    pub(crate) now_ms: i64,
    /// An edit by hand: no lock error, no refusal on purpose.
    pub(crate) person: bool,
    /// How long others don't see it.
    pub(crate) late_ms: i64,
}

impl Actor {
    pub(super) fn stamp(&self) -> i64 {
        whole_second(self.now_ms)
    }

    pub(super) fn hidden_until(&self) -> Option<i64> {
        (self.late_ms > 0).then_some(self.now_ms + self.late_ms)
    }
}

impl Org {
    /// Creates a record from a JSON body.
    pub(crate) fn create(
        &mut self,
        object: usize,
        body: &Map<String, Value>,
        actor: &Actor,
    ) -> Result<Id, ApiError> {
        let given = self.read(object, body, Use::Create, actor.now_ms)?;
        self.create_from(object, given, actor)
    }

    /// Reads the values of a record that is to be created.
    pub(crate) fn read_new(
        &self,
        object: usize,
        body: &Map<String, Value>,
        now_ms: i64,
    ) -> Result<Fields, ApiError> {
        self.read(object, body, Use::Create, now_ms)
    }

    /// Creates a record from values that have been read.
    pub(crate) fn create_from(
        &mut self,
        object: usize,
        given: Fields,
        actor: &Actor,
    ) -> Result<Id, ApiError> {
        self.open_for(object, actor)?;
        self.whole(|org| org.insert(object, given, actor))
    }

    /// Updates a record from a JSON body.
    pub(crate) fn update(
        &mut self,
        object: usize,
        id: Id,
        body: &Map<String, Value>,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let given = self.read(object, body, Use::Update, actor.now_ms)?;
        self.open_for(object, actor)?;
        self.live(object, id, actor.now_ms)?;
        if self.is_locked(object, id, actor.now_ms) {
            return Err(locked());
        }
        self.whole(|org| org.change(object, id, given, actor))
    }

    /// Checks that records of this object can be written now.
    pub(super) fn open_for(&mut self, object: usize, actor: &Actor) -> Result<(), ApiError> {
        if !self.object(object).writable {
            let text = format!("entity type {} can't be changed", self.object(object).name);
            return Err(ApiError::bad("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", text));
        }
        if actor.person { Ok(()) } else { self.rules.roll_lock() }
    }

    /// Runs a step that leaves nothing behind if it fails.
    pub(super) fn whole<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mark = self.mark();
        let result = step(self);
        if result.is_err() {
            self.roll_back(mark);
        }
        result
    }

    fn insert(&mut self, object: usize, given: Fields, actor: &Actor) -> Result<Id, ApiError> {
        let schema = self.schema.clone();
        let fields = &schema.objects[object].fields;
        let mut cells: Vec<_> = fields.iter().map(|field| field.default.clone()).collect();
        for (place, cell) in given {
            cells[place] = cell;
        }
        if let Some(owner) = schema.objects[object].find("OwnerId")
            && cells[owner].is_null()
        {
            cells[owner] = Cell::Id(actor.user);
        }
        self.check(object, &mut cells, None, actor)?;
        self.before_save(object, &mut cells, None, actor)?;
        for place in (0..fields.len()).filter(|place| fields[*place].auto_number) {
            let number = self.next_number(object, place);
            cells[place] = Cell::Text(format!("{number:08}"));
        }
        let id = self.next_id(object);
        cells[ID] = Cell::Id(id);
        cells[CREATED_DATE] = Cell::Instant(actor.stamp());
        cells[CREATED_BY] = Cell::Id(actor.user);
        sign(&mut cells, actor);
        self.put(object, Row { cells }, actor.hidden_until());
        self.after_save(object, id, actor)?;
        Ok(id)
    }

    fn change(
        &mut self,
        object: usize,
        id: Id,
        given: Fields,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let before = self.live(object, id, actor.now_ms)?.clone();
        let mut cells = before.cells.clone();
        for (place, cell) in given {
            cells[place] = cell;
        }
        self.check(object, &mut cells, Some(&before), actor)?;
        self.before_save(object, &mut cells, Some(&before), actor)?;
        sign(&mut cells, actor);
        self.put(object, Row { cells }, actor.hidden_until());
        self.after_save(object, id, actor)
    }

    /// Stores a change that the org makes by itself: it moves SystemModstamp only.
    pub(super) fn put_by_system(&mut self, object: usize, mut cells: Vec<Cell>, actor: &Actor) {
        let old = cells[STAMP].instant().unwrap_or_default();
        cells[STAMP] = Cell::Instant(actor.stamp().max(old));
        self.put(object, Row { cells }, actor.hidden_until());
    }
}

/// Sets who changed a record and when. Stamps never go back.
pub(super) fn sign(cells: &mut [Cell], actor: &Actor) {
    let old = cells[STAMP].instant().unwrap_or_default();
    let at = Cell::Instant(actor.stamp().max(old));
    cells[MODIFIED_DATE] = at.clone();
    cells[MODIFIED_BY] = Cell::Id(actor.user);
    cells[STAMP] = at;
}
