//! The objects that every org of the emulator has, with the fields that a shop needs.

use super::{Field, Kind, Object, OnDelete};
use crate::cell::Cell;

/// The organization's id.
pub(crate) const ORGANIZATION: &str = "00D000000000001EAA";
/// The user that API clients act as.
pub(crate) const USER: &str = "005000000000001AAA";
/// The user that edits by hand (made by the admin endpoint).
pub(crate) const PERSON: &str = "005000000000002AAA";
/// The standard price book.
pub(crate) const STANDARD_BOOK: &str = "01s000000000001AAA";

/// All built-in objects.
pub(super) fn objects() -> Vec<Object> {
    let mut sold = vec![account(), contact(), product(), book(), entry(), order(), item()];
    for object in &mut sold {
        object.fields.push(external_key());
    }
    sold.extend([user(), organization()]);
    sold
}

/// `Ext__c`: text 64, unique external id, without regard to case.
fn external_key() -> Field {
    Field { unique: true, external_id: true, ..text("Ext__c", 64) }
}

fn object(name: &str, prefix: &str, fields: Vec<Field>) -> Object {
    let mut object = Object::new(name, prefix);
    object.fields.extend(fields);
    object
}

fn text(name: &str, length: u32) -> Field {
    Field::sized(name, Kind::Text, length)
}

fn area(name: &str, length: u32) -> Field {
    Field::sized(name, Kind::Area, length)
}

fn phone(name: &str) -> Field {
    Field::sized(name, Kind::Phone, 40)
}

fn money(name: &str) -> Field {
    Field::numeric(name, Kind::Currency, 18, 2)
}

fn flag(name: &str) -> Field {
    Field::new(name, Kind::Bool)
}

fn date(name: &str) -> Field {
    Field::new(name, Kind::Date)
}

fn to(name: &str, object: &str, on_delete: OnDelete) -> Field {
    Field::reference(name, object, on_delete)
}

fn owner() -> Field {
    to("OwnerId", "User", OnDelete::Restrict)
}

/// The parts of an address and the compound over them.
fn address(kind: &str) -> Vec<Field> {
    let compound = format!("{kind}Address");
    let part = |field: Field| Field { compound: Some(compound.clone()), ..field };
    let named = |part: &str| format!("{kind}{part}");
    let coordinate = |name| part(Field::numeric(&named(name), Kind::Double, 18, 15));
    vec![
        part(area(&named("Street"), 255)),
        part(text(&named("City"), 40)),
        part(text(&named("State"), 80)),
        part(text(&named("PostalCode"), 20)),
        part(text(&named("Country"), 80)),
        coordinate("Latitude"),
        coordinate("Longitude"),
        Field::new(&compound, Kind::Address).derived(),
    ]
}

fn account() -> Object {
    let mut fields = vec![
        Field { label: "Account Name".to_owned(), ..text("Name", 255).required().named() },
        text("AccountNumber", 40),
        Field::choices("Type", &["Prospect", "Customer - Direct", "Customer - Channel", "Other"]),
        to("ParentId", "Account", OnDelete::Clear),
    ];
    fields.extend(address("Billing"));
    fields.extend(address("Shipping"));
    fields.extend([
        phone("Phone"),
        phone("Fax"),
        Field::sized("Website", Kind::Url, 255),
        Field::choices("Industry", &["Agriculture", "Food & Beverage", "Retail", "Shipping"]),
        Field::numeric("AnnualRevenue", Kind::Currency, 18, 0),
        Field::numeric("NumberOfEmployees", Kind::Int, 8, 0),
        area("Description", 32_000),
        Field::choices("Rating", &["Hot", "Warm", "Cold"]),
        text("Site", 80),
        Field::choices("AccountSource", &["Web", "Phone Inquiry", "Partner Referral", "Other"]),
        owner(),
        to("MasterRecordId", "Account", OnDelete::Clear).derived(),
    ]);
    object("Account", "001", fields)
}

fn contact() -> Object {
    let mut fields = vec![
        to("AccountId", "Account", OnDelete::Cascade),
        text("LastName", 80).required(),
        text("FirstName", 40),
        Field::choices("Salutation", &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."]),
        Field { label: "Full Name".to_owned(), ..text("Name", 121).named().derived() },
    ];
    fields.extend(address("Mailing"));
    fields.extend(address("Other"));
    fields.extend([
        phone("Phone"),
        phone("Fax"),
        phone("MobilePhone"),
        phone("HomePhone"),
        Field::sized("Email", Kind::Email, 80),
        text("Title", 128),
        text("Department", 80),
        date("Birthdate"),
        Field::choices("LeadSource", &["Web", "Phone Inquiry", "Partner Referral", "Other"]),
        to("ReportsToId", "Contact", OnDelete::Clear),
        area("Description", 32_000),
        flag("HasOptedOutOfEmail"),
        flag("DoNotCall"),
        owner(),
        to("MasterRecordId", "Contact", OnDelete::Clear).derived(),
    ]);
    object("Contact", "003", fields)
}

fn product() -> Object {
    let fields = vec![
        Field { label: "Product Name".to_owned(), ..text("Name", 255).required().named() },
        text("ProductCode", 255),
        area("Description", 4_000),
        flag("IsActive"),
        Field::choices("Family", &["None"]),
        Field::choices("QuantityUnitOfMeasure", &["Each"]),
        text("StockKeepingUnit", 180),
        Field::sized("DisplayUrl", Kind::Url, 1_000),
        flag("IsArchived").derived(),
    ];
    let mut product = object("Product2", "01t", fields);
    product.label = "Product".to_owned();
    product.label_plural = "Products".to_owned();
    product
}

fn book() -> Object {
    let fields = vec![
        Field { label: "Price Book Name".to_owned(), ..text("Name", 255).required().named() },
        area("Description", 255),
        flag("IsActive"),
        flag("IsStandard").derived(),
        flag("IsArchived").derived(),
    ];
    let mut book = object("Pricebook2", "01s", fields);
    book.label = "Price Book".to_owned();
    book.label_plural = "Price Books".to_owned();
    book
}

fn entry() -> Object {
    let fields = vec![
        text("Name", 255).named().derived(),
        to("Pricebook2Id", "Pricebook2", OnDelete::Cascade).required().fixed(),
        to("Product2Id", "Product2", OnDelete::Cascade).required().fixed(),
        money("UnitPrice").required(),
        flag("IsActive"),
        flag("UseStandardPrice"),
        text("ProductCode", 255).derived(),
        flag("IsArchived").derived(),
    ];
    let mut entry = object("PricebookEntry", "01u", fields);
    entry.label_plural = "Pricebook Entries".to_owned();
    entry
}

/// The statuses of an order are also their categories: there is one value in each.
fn order() -> Object {
    let statuses = ["Draft", "Activated"];
    let mut fields = vec![
        to("AccountId", "Account", OnDelete::Restrict).required(),
        to("Pricebook2Id", "Pricebook2", OnDelete::Restrict),
        to("OriginalOrderId", "Order", OnDelete::Clear).fixed(),
        date("EffectiveDate").required(),
        date("EndDate"),
        flag("IsReductionOrder").fixed(),
        Field { restricted: true, ..Field::choices("Status", &statuses).required() },
        Field::choices("StatusCode", &statuses).derived(),
        area("Description", 32_000),
        Field { auto_number: true, ..text("OrderNumber", 30).named().derived() },
        text("Name", 80),
        text("OrderReferenceNumber", 80),
        text("PoNumber", 80),
        date("PoDate"),
        Field::choices("Type", &["Standard", "Return"]),
        to("BillToContactId", "Contact", OnDelete::Clear),
        to("ShipToContactId", "Contact", OnDelete::Clear),
        Field::new("ActivatedDate", Kind::Instant).derived(),
        to("ActivatedById", "User", OnDelete::Restrict).derived(),
        Field { default: Cell::Number(0.0), ..money("TotalAmount").derived() },
        owner(),
    ];
    fields.extend(address("Billing"));
    fields.extend(address("Shipping"));
    object("Order", "801", fields)
}

fn item() -> Object {
    let fields = vec![
        to("OrderId", "Order", OnDelete::Cascade).required().fixed(),
        to("PricebookEntryId", "PricebookEntry", OnDelete::Restrict).required().fixed(),
        to("Product2Id", "Product2", OnDelete::Restrict).fixed(),
        to("OriginalOrderItemId", "OrderItem", OnDelete::Clear).fixed(),
        Field::numeric("Quantity", Kind::Double, 18, 2).required(),
        money("UnitPrice").required(),
        money("ListPrice").derived(),
        money("TotalPrice").derived(),
        Field::numeric("AvailableQuantity", Kind::Double, 18, 2).derived(),
        date("ServiceDate"),
        date("EndDate"),
        text("Description", 255),
        Field { auto_number: true, ..text("OrderItemNumber", 30).named().derived() },
    ];
    let mut item = object("OrderItem", "802", fields);
    item.label = "Order Product".to_owned();
    item.label_plural = "Order Products".to_owned();
    item
}

fn user() -> Object {
    let fields = vec![
        text("Username", 80).required(),
        text("LastName", 80).required(),
        text("FirstName", 40),
        Field { label: "Full Name".to_owned(), ..text("Name", 121).named().derived() },
        Field::sized("Email", Kind::Email, 128).required(),
        flag("IsActive"),
    ];
    Object { writable: false, ..object("User", "005", fields) }
}

fn organization() -> Object {
    let fields = vec![text("Name", 80).required().named(), flag("IsSandbox")];
    Object { writable: false, ..object("Organization", "00D", fields) }
}
