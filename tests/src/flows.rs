//! What must be equal, flow by flow: a query over the shop, in words that PostgreSQL and SQLite know,
//! whose columns are named like the fields of Salesforce, and how each compares. Written from the
//! flows' meaning, not read from their files.

/// One flow between the shop and the organization.
#[derive(Debug)]
pub struct Flow {
    /// Its name.
    pub name: &'static str,
    /// The object on the left.
    pub object: &'static str,
    /// Reads the right side: `key` and one column per field.
    pub query: &'static str,
    /// The fields that must be equal.
    pub fields: &'static [Field],
}

/// A field that must be equal.
#[derive(Debug)]
pub struct Field {
    /// Its name on the left, and the column's in the query.
    pub name: &'static str,
    /// How its values compare.
    pub kind: Kind,
}

/// How values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As text, outer blanks off, empty as null.
    Text,
    /// As numbers with so many digits after the point.
    Number(usize),
    /// As true or false; null is false.
    Flag,
    /// As sets of the parts between `;` or `/`.
    Set,
    /// The left holds an id; the `Ext__c` of that record counts.
    Parent,
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

const fn text(name: &'static str) -> Field {
    field(name, Kind::Text)
}

/// Customers and accounts.
pub const CUSTOMERS: Flow = Flow {
    name: "customers",
    object: "Account",
    query: r#"SELECT customer_id AS key, company_name AS "Name",
        contact_name AS "Contact_Name__c", contact_title AS "Contact_Roles__c",
        phone AS "Phone", fax AS "Fax", address AS "BillingStreet", city AS "BillingCity",
        region AS "BillingState", postal_code AS "BillingPostalCode", country AS "BillingCountry"
        FROM customers ORDER BY customer_id"#,
    fields: &[
        text("Name"),
        text("Contact_Name__c"),
        field("Contact_Roles__c", Kind::Set),
        text("Phone"),
        text("Fax"),
        text("BillingStreet"),
        text("BillingCity"),
        text("BillingState"),
        text("BillingPostalCode"),
        text("BillingCountry"),
    ],
};

/// Products on both sides.
pub const PRODUCTS: Flow = Flow {
    name: "products",
    object: "Product2",
    query: r#"SELECT CAST(product_id AS text) AS key, product_name AS "Name",
        quantity_per_unit AS "Quantity_Per_Unit__c", units_in_stock AS "Units_In_Stock__c",
        units_on_order AS "Units_On_Order__c", reorder_level AS "Reorder_Level__c",
        discontinued <> 0 AS "Discontinued__c", true AS "IsActive"
        FROM products ORDER BY product_id"#,
    fields: &[
        text("Name"),
        text("Quantity_Per_Unit__c"),
        field("Units_In_Stock__c", Kind::Number(0)),
        field("Units_On_Order__c", Kind::Number(0)),
        field("Reorder_Level__c", Kind::Number(0)),
        field("Discontinued__c", Kind::Flag),
        field("IsActive", Kind::Flag),
    ],
};

/// Products and their entries in the standard price book.
pub const PRICES: Flow = Flow {
    name: "prices",
    object: "PricebookEntry",
    query: r#"SELECT CAST(product_id AS text) AS key, CAST(product_id AS text) AS "Product2Id",
        round(CAST(unit_price AS numeric), 2) AS "UnitPrice"
        FROM products ORDER BY product_id"#,
    fields: &[field("Product2Id", Kind::Parent), field("UnitPrice", Kind::Number(2))],
};

/// Orders on both sides. The names of the carriers are those of the shop's own table.
pub const ORDERS: Flow = Flow {
    name: "orders",
    object: "Order",
    query: r#"SELECT CAST(order_id AS text) AS key, customer_id AS "AccountId",
        CAST(order_date AS text) AS "EffectiveDate",
        CAST(required_date AS text) AS "Required_Date__c",
        CAST(shipped_date AS text) AS "Shipped_Date__c",
        round(CAST(freight AS numeric), 2) AS "Freight__c",
        ship_name AS "Ship_Name__c", shippers.company_name AS "Ship_Via__c",
        ship_address AS "ShippingStreet", ship_city AS "ShippingCity",
        ship_region AS "ShippingState", ship_postal_code AS "ShippingPostalCode",
        ship_country AS "ShippingCountry"
        FROM orders LEFT JOIN shippers ON shipper_id = ship_via ORDER BY order_id"#,
    fields: &[
        field("AccountId", Kind::Parent),
        text("EffectiveDate"),
        text("Required_Date__c"),
        text("Shipped_Date__c"),
        field("Freight__c", Kind::Number(2)),
        text("Ship_Name__c"),
        text("Ship_Via__c"),
        text("ShippingStreet"),
        text("ShippingCity"),
        text("ShippingState"),
        text("ShippingPostalCode"),
        text("ShippingCountry"),
    ],
};

/// Order lines and order products.
pub const LINES: Flow = Flow {
    name: "lines",
    object: "OrderItem",
    query: r#"SELECT order_id || '-' || product_id AS key,
        CAST(order_id AS text) AS "OrderId", CAST(product_id AS text) AS "PricebookEntryId",
        quantity AS "Quantity",
        round(CAST(unit_price AS numeric), 2) AS "UnitPrice",
        round(CAST(discount AS numeric), 2) AS "Discount__c"
        FROM order_details ORDER BY order_id, product_id"#,
    fields: &[
        field("OrderId", Kind::Parent),
        field("PricebookEntryId", Kind::Parent),
        field("Quantity", Kind::Number(2)),
        field("UnitPrice", Kind::Number(2)),
        field("Discount__c", Kind::Number(2)),
    ],
};

/// Employees and contacts. Who has left isn't the flow's business.
pub const STAFF: Flow = Flow {
    name: "staff",
    object: "Contact",
    query: r#"SELECT CAST(employee_id AS text) AS key, last_name AS "LastName",
        first_name AS "FirstName", title AS "Title", home_phone AS "HomePhone",
        city AS "MailingCity", notes AS "Description",
        CAST(reports_to AS text) AS "ReportsToId"
        FROM employees WHERE extension IS DISTINCT FROM 'gone' ORDER BY employee_id"#,
    fields: &[
        text("LastName"),
        text("FirstName"),
        text("Title"),
        text("HomePhone"),
        text("MailingCity"),
        text("Description"),
        field("ReportsToId", Kind::Parent),
    ],
};

/// Suppliers on both sides. A closed one is marked in a column that the flow doesn't map.
pub const SUPPLIERS: Flow = Flow {
    name: "suppliers",
    object: "Supplier__c",
    query: r#"SELECT CAST(supplier_id AS text) AS key, company_name AS "Name",
        contact_name AS "Contact_Name__c", contact_title AS "Contact_Title__c", city AS "City__c",
        country AS "Country__c", phone AS "Phone__c", fax AS "Fax__c",
        CASE homepage WHEN 'closed' THEN 'Closed' END AS "Status__c"
        FROM suppliers ORDER BY supplier_id"#,
    fields: &[
        text("Name"),
        text("Contact_Name__c"),
        text("Contact_Title__c"),
        text("City__c"),
        text("Country__c"),
        text("Phone__c"),
        text("Fax__c"),
        text("Status__c"),
    ],
};

/// Carriers on both sides, the closed ones too.
pub const SHIPPERS: Flow = Flow {
    name: "shippers",
    object: "Shipper__c",
    query: r#"SELECT CAST(shipper_id AS text) AS key, company_name AS "Name", phone AS "Phone__c"
        FROM shippers ORDER BY shipper_id"#,
    fields: &[text("Name"), text("Phone__c")],
};

/// Three small ones beside the five, with other policies.
pub const POLICIES: [&Flow; 3] = [&STAFF, &SUPPLIERS, &SHIPPERS];

/// All five, parents first.
pub const ALL: [&Flow; 5] = [&CUSTOMERS, &PRODUCTS, &PRICES, &ORDERS, &LINES];

/// The flow of a name.
pub fn named(name: &str) -> Option<&'static Flow> {
    ALL.into_iter().chain(POLICIES).find(|flow| flow.name == name)
}
