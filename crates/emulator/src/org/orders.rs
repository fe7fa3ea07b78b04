//! Rules and derived values of the built-in objects: names, price books, orders and their items.

use super::{Actor, Org, Row};
use crate::{
    cell::Cell,
    error::ApiError,
    ids::Id,
    org::input::rounded,
    rules::locked,
    schema::{ID, STANDARD_BOOK},
};

impl Org {
    /// Rules and derived values before a record is stored.
    pub(super) fn before_save(
        &self,
        object: usize,
        cells: &mut [Cell],
        before: Option<&Row>,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        match self.object(object).name.as_str() {
            "Contact" => self.name_contact(object, cells),
            "PricebookEntry" => return self.check_entry(object, cells, before),
            "Order" => return self.check_order(object, cells, before, actor),
            "OrderItem" => return self.check_item(object, cells, before, actor),
            _ => {}
        }
        Ok(())
    }

    /// What follows from a stored record.
    pub(super) fn after_save(
        &mut self,
        object: usize,
        id: Id,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        match self.object(object).name.as_str() {
            "OrderItem" => return self.roll_up(object, id, actor),
            "Product2" => self.rename_entries(object, id),
            _ => {}
        }
        Ok(())
    }

    /// Rules that keep a record from being deleted.
    pub(super) fn before_delete(
        &self,
        object: usize,
        id: Id,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let row = self.live(object, id, actor.now_ms)?;
        match self.object(object).name.as_str() {
            "Order" if self.is_activated(&row.cells) => Err(activated()),
            "OrderItem" if self.order_is_activated(object, &row.cells) => Err(activated()),
            "Pricebook2" if self.get(object, &row.cells, "IsStandard").is_true() => {
                Err(ApiError::bad("DELETE_FAILED", "The standard price book can't be deleted."))
            }
            "PricebookEntry" => self.keep_standard_price(object, &row.cells),
            _ => Ok(()),
        }
    }

    pub(super) fn after_delete(
        &mut self,
        object: usize,
        id: Id,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        if self.object(object).name == "OrderItem" {
            return self.roll_up(object, id, actor);
        }
        Ok(())
    }

    fn place(&self, object: usize, name: &str) -> usize {
        self.object(object).find(name).expect("a field of a built-in object")
    }

    fn get<'a>(&self, object: usize, cells: &'a [Cell], name: &str) -> &'a Cell {
        &cells[self.place(object, name)]
    }

    fn set(&self, object: usize, cells: &mut [Cell], name: &str, cell: Cell) {
        cells[self.place(object, name)] = cell;
    }

    /// The row that a reference of a built-in object points to.
    fn parent(&self, object: usize, cells: &[Cell], name: &str, target: &str) -> Option<&Row> {
        let id = self.get(object, cells, name).id()?;
        self.table(self.schema.builtin(target)).current(id).map(AsRef::as_ref)
    }

    fn name_contact(&self, object: usize, cells: &mut [Cell]) {
        let parts = ["FirstName", "LastName"];
        let parts = parts.iter().filter_map(|name| self.get(object, cells, name).text());
        let name = parts.collect::<Vec<_>>().join(" ");
        self.set(object, cells, "Name", Cell::Text(name));
    }

    fn check_entry(
        &self,
        object: usize,
        cells: &mut [Cell],
        before: Option<&Row>,
    ) -> Result<(), ApiError> {
        let product = self.parent(object, cells, "Product2Id", "Product2");
        let names = product.map(|row| {
            let products = self.schema.builtin("Product2");
            ["Name", "ProductCode"].map(|name| self.get(products, &row.cells, name).clone())
        });
        if let Some([name, code]) = names {
            self.set(object, cells, "Name", name);
            self.set(object, cells, "ProductCode", code);
        }
        let standard = self.entry_in(object, cells, |book| book == standard_book());
        let is_standard = self.get(object, cells, "Pricebook2Id").id() == Some(standard_book());
        if before.is_none() && !is_standard && standard.is_none() {
            let text = "Before creating a custom price, create a standard price.";
            return Err(ApiError::bad("STANDARD_PRICE_NOT_DEFINED", text));
        }
        let own_book = self.get(object, cells, "Pricebook2Id").id();
        if before.is_none() && self.entry_in(object, cells, |book| Some(book) == own_book).is_some()
        {
            let text = "This price definition already exists in this price book";
            return Err(ApiError::bad("DUPLICATE_VALUE", text).on("Pricebook2Id"));
        }
        let follows = self.get(object, cells, "UseStandardPrice").is_true();
        if let Some(row) = standard.filter(|_| follows && !is_standard) {
            let price = self.get(object, &row.cells, "UnitPrice").clone();
            self.set(object, cells, "UnitPrice", price);
        }
        Ok(())
    }

    /// An entry of the same product in a price book.
    fn entry_in(&self, object: usize, cells: &[Cell], is: impl Fn(Id) -> bool) -> Option<&Row> {
        let product = self.place(object, "Product2Id");
        let book = self.place(object, "Pricebook2Id");
        let entries = self.table(object).holders(product, &cells[product]).into_iter();
        let rows = entries.filter_map(|id| self.table(object).current(id));
        rows.map(AsRef::as_ref).find(|row| row.cells[book].id().is_some_and(&is))
    }

    fn keep_standard_price(&self, object: usize, cells: &[Cell]) -> Result<(), ApiError> {
        let is_standard = self.get(object, cells, "Pricebook2Id").id() == Some(standard_book());
        if is_standard && self.entry_in(object, cells, |book| book != standard_book()).is_some() {
            let text = "Delete the product's other prices before its standard price.";
            return Err(ApiError::bad("DELETE_FAILED", text));
        }
        Ok(())
    }

    /// Entries show their product's name and code; this moves no stamp.
    fn rename_entries(&mut self, products: usize, id: Id) {
        let entries = self.schema.builtin("PricebookEntry");
        let product = self.current_cells(products, id);
        let names = ["Name", "ProductCode"].map(|name| self.get(products, &product, name).clone());
        for entry in self.table(entries).holders(self.place(entries, "Product2Id"), &Cell::Id(id)) {
            let mut cells = self.current_cells(entries, entry);
            let before = ["Name", "ProductCode"].map(|n| self.get(entries, &cells, n).clone());
            if before != names {
                self.set(entries, &mut cells, "Name", names[0].clone());
                self.set(entries, &mut cells, "ProductCode", names[1].clone());
                self.put(entries, Row { cells }, None);
            }
        }
    }

    fn is_activated(&self, order: &[Cell]) -> bool {
        let orders = self.schema.builtin("Order");
        self.get(orders, order, "StatusCode").text() == Some("Activated")
    }

    fn order_is_activated(&self, items: usize, item: &[Cell]) -> bool {
        let order = self.parent(items, item, "OrderId", "Order");
        order.is_some_and(|row| self.is_activated(&row.cells))
    }

    fn items_of(&self, order: Id) -> Vec<Id> {
        let items = self.schema.builtin("OrderItem");
        self.table(items).holders(self.place(items, "OrderId"), &Cell::Id(order))
    }

    fn check_order(
        &self,
        object: usize,
        cells: &mut [Cell],
        before: Option<&Row>,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let status = self.get(object, cells, "Status").clone();
        let activates = status.text() == Some("Activated");
        self.set(object, cells, "StatusCode", status);
        let Some(before) = before else {
            let text = "For a new or cloned order, choose Draft. An Activated order's status \
                        can't be edited.";
            let refused = ApiError::bad("FAILED_ACTIVATION", text).on("Status");
            return if activates { Err(refused) } else { Ok(()) };
        };
        let has_items = !self.items_of(before.id()).is_empty();
        let was_active = self.is_activated(&before.cells);
        self.check_fixed(object, cells, before, has_items)?;
        if activates && !was_active && !has_items {
            let text = "An order must have at least one product.";
            return Err(ApiError::bad("FAILED_ACTIVATION", text).on("Status"));
        }
        if activates != was_active {
            let at = Cell::Instant(actor.stamp());
            let (at, by) =
                if activates { (at, Cell::Id(actor.user)) } else { (Cell::Null, Cell::Null) };
            self.set(object, cells, "ActivatedDate", at);
            self.set(object, cells, "ActivatedById", by);
        }
        Ok(())
    }

    /// What an order may not change any more.
    fn check_fixed(
        &self,
        object: usize,
        cells: &[Cell],
        before: &Row,
        has_items: bool,
    ) -> Result<(), ApiError> {
        let moved = |name| self.get(object, cells, name) != self.get(object, &before.cells, name);
        if self.is_activated(&before.cells) && moved("AccountId") {
            return Err(activated().on("AccountId"));
        }
        let had_book = !self.get(object, &before.cells, "Pricebook2Id").is_null();
        if has_items && had_book && moved("Pricebook2Id") {
            let text = "The price book can't be changed while the order has products.";
            return Err(ApiError::bad("FIELD_INTEGRITY_EXCEPTION", text).on("Pricebook2Id"));
        }
        Ok(())
    }

    fn check_item(
        &self,
        object: usize,
        cells: &mut [Cell],
        before: Option<&Row>,
        actor: &Actor,
    ) -> Result<(), ApiError> {
        if before.is_none() {
            self.check_new_item(object, cells, actor)?;
        }
        let number = |name| self.get(object, cells, name).number().unwrap_or_default();
        let quantity = number("Quantity");
        if quantity == 0.0 {
            let text = "Quantity: must not be zero";
            return Err(ApiError::bad("FIELD_INTEGRITY_EXCEPTION", text).on("Quantity"));
        }
        let total = Cell::Number(rounded(quantity * number("UnitPrice"), 2));
        self.set(object, cells, "TotalPrice", total);
        self.set(object, cells, "AvailableQuantity", Cell::Number(quantity));
        Ok(())
    }

    fn check_new_item(
        &self,
        object: usize,
        cells: &mut [Cell],
        actor: &Actor,
    ) -> Result<(), ApiError> {
        let refuse = |text: &str, field: &str| {
            Err(ApiError::bad("FIELD_INTEGRITY_EXCEPTION", text.to_owned()).on(field))
        };
        let orders = self.schema.builtin("Order");
        let entries = self.schema.builtin("PricebookEntry");
        let order_id = self.get(object, cells, "OrderId").id().ok_or_else(ApiError::not_found)?;
        let order = self.live(orders, order_id, actor.now_ms)?;
        let entry = self.parent(object, cells, "PricebookEntryId", "PricebookEntry");
        let entry = entry.ok_or_else(ApiError::cross_reference)?;
        if self.is_activated(&order.cells) {
            return Err(activated());
        }
        let book = self.get(orders, &order.cells, "Pricebook2Id");
        if book.is_null() || book != self.get(entries, &entry.cells, "Pricebook2Id") {
            return refuse(
                "the price book entry is not in the order's price book",
                "PricebookEntryId",
            );
        }
        if !self.get(entries, &entry.cells, "IsActive").is_true() {
            return refuse("pricebook entry is inactive", "PricebookEntryId");
        }
        let product = self.get(entries, &entry.cells, "Product2Id").clone();
        let given = self.get(object, cells, "Product2Id");
        if !given.is_null() && *given != product {
            return refuse("the product is not that of the price book entry", "Product2Id");
        }
        let price = self.get(entries, &entry.cells, "UnitPrice").clone();
        self.set(object, cells, "Product2Id", product);
        self.set(object, cells, "ListPrice", price);
        Ok(())
    }

    /// The order's total is that of its items; this moves the order's SystemModstamp only. It locks
    /// the order: whoever edits it in a transaction that is still open must end first.
    fn roll_up(&mut self, items: usize, item: Id, actor: &Actor) -> Result<(), ApiError> {
        let orders = self.schema.builtin("Order");
        let cells = self.current_cells(items, item);
        let Some(order) = self.get(items, &cells, "OrderId").id() else { return Ok(()) };
        if self.table(orders).current(order).is_none_or(|row| row.is_deleted()) {
            return Ok(());
        }
        if self.is_locked(orders, order, actor.now_ms) {
            return Err(locked());
        }
        let mut cells = self.current_cells(orders, order);
        let price = self.place(items, "TotalPrice");
        let rows = self.items_of(order).into_iter().filter_map(|id| self.table(items).current(id));
        let total: f64 = rows.filter_map(|row| row.cells[price].number()).sum();
        self.set(orders, &mut cells, "TotalAmount", Cell::Number(rounded(total, 2)));
        debug_assert_eq!(cells[ID].id(), Some(order));
        self.put_by_system(orders, cells, actor);
        Ok(())
    }
}

fn standard_book() -> Id {
    Id::parse(STANDARD_BOOK).expect("built-in ids are well-formed")
}

fn activated() -> ApiError {
    ApiError::bad("FIELD_INTEGRITY_EXCEPTION", "unable to modify activated order")
}
