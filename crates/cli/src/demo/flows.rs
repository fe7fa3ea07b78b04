//! What the demo's flows pair, as whoever checks them understands it: written from their meaning, not
//! read from the configuration, so that a mistake there shows.

/// A flow: an object of Salesforce and a table of the shop.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Its name.
    pub(crate) name: &'static str,
    /// The object.
    pub(crate) object: &'static str,
    /// The table.
    pub(crate) table: &'static str,
    /// The table's key; the object holds it in [`SHOP_ID`].
    pub(crate) key: &'static str,
    /// What is kept equal.
    pub(crate) fields: &'static [Field],
}

/// A field on both sides.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: &'static str,
    /// In Salesforce.
    pub(crate) left: &'static str,
    /// In the shop.
    pub(crate) right: &'static str,
    /// How its values compare.
    pub(crate) kind: Kind,
}

/// How values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As texts; an empty one is none.
    Text,
    /// As numbers.
    Number,
    /// The left one begins with a capital letter.
    Word,
    /// The left one is an account's id, the right one its key in the shop.
    Customer,
}

/// Where an object holds the shop's key.
pub(crate) const SHOP_ID: &str = "Shop_Id__c";

const fn field(name: &'static str, left: &'static str, right: &'static str, kind: Kind) -> Field {
    Field { name, left, right, kind }
}

/// Customers.
pub(crate) const CUSTOMERS: Flow = Flow {
    name: "customers",
    object: "Account",
    table: "customers",
    key: "id",
    fields: &[
        field("name", "Name", "name", Kind::Text),
        field("email", "Email__c", "email", Kind::Text),
        field("phone", "Phone", "phone", Kind::Text),
        field("city", "BillingCity", "city", Kind::Text),
    ],
};

/// Products.
pub(crate) const PRODUCTS: Flow = Flow {
    name: "products",
    object: "Product2",
    table: "products",
    key: "sku",
    fields: &[
        field("title", "Name", "title", Kind::Text),
        field("stock", "Stock__c", "stock", Kind::Number),
    ],
};

/// Orders.
pub(crate) const ORDERS: Flow = Flow {
    name: "orders",
    object: "Order",
    table: "orders",
    key: "id",
    fields: &[
        field("customer_id", "AccountId", "customer_id", Kind::Customer),
        field("placed", "EffectiveDate", "placed_on", Kind::Text),
        field("status", "Fulfilment__c", "status", Kind::Word),
        field("tracking", "Tracking__c", "tracking", Kind::Text),
    ],
};

/// All of them, parents first.
pub(crate) const FLOWS: [&Flow; 3] = [&CUSTOMERS, &PRODUCTS, &ORDERS];

impl Flow {
    /// A field by its name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A flow by its name.
pub(crate) fn named(name: &str) -> Option<&'static Flow> {
    FLOWS.into_iter().find(|flow| flow.name == name)
}

impl Kind {
    /// A value of the shop as Salesforce writes it; an account's id is found otherwise.
    pub(crate) fn to_left(self, right: &str) -> String {
        match self {
            Kind::Text | Kind::Number | Kind::Customer => right.to_owned(),
            Kind::Word => {
                let mut letters = right.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                first.into_iter().chain(letters).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_and_fields_are_found_by_name() {
        for flow in FLOWS {
            assert_eq!(named(flow.name).map(|found| found.table), Some(flow.table));
            assert!(flow.field("nothing").is_none());
        }
        assert_eq!(CUSTOMERS.field("city").map(|field| field.left), Some("BillingCity"));
        assert!(named("carts").is_none());
    }

    #[test]
    fn words_are_capitalised_and_nothing_else_is() {
        assert_eq!(Kind::Word.to_left("shipped"), "Shipped");
        assert_eq!(Kind::Word.to_left(""), "");
        assert_eq!(Kind::Text.to_left("oslo"), "oslo");
    }
}
