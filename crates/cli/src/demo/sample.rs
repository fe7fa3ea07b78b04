//! The sample that the demo begins with: customers, products and orders that partly exist on both
//! sides, and who plays a part in the day. All of it follows from the seed.

use super::chance::Chance;
use duet_core::side::Both;
use std::collections::BTreeSet;

/// Customers on both sides whose accounts hold the shop's key.
const KEYED: usize = 18;
/// Customers on both sides that only their e-mail address tells.
const BY_EMAIL: usize = 6;
/// Customers of the shop alone, and of Salesforce alone.
const SHOP_ONLY: usize = 6;
const SALESFORCE_ONLY: usize = 4;
/// Of those that only the address tells: so many lack a phone number on one side, and in so many
/// it differs.
const GAPS: usize = 3;
const DIFFERING: usize = 1;
/// Products, and how many of them only the shop has.
const PRODUCTS: usize = 12;
const NEW_PRODUCTS: usize = 2;
/// Orders, and how many of them only the shop has.
const ORDERS: usize = 8;
const NEW_ORDERS: usize = 2;
/// Customers that the shop edits while Salesforce is away.
const IN_OUTAGE: usize = 6;
/// The first keys of the shop.
const FIRST_CUSTOMER: usize = 1001;
const FIRST_ORDER: usize = 5001;

const FIRST_NAMES: [&str; 20] = [
    "Ada", "Bo", "Cleo", "Dag", "Edda", "Finn", "Gro", "Hal", "Ines", "Jon", "Kaja", "Leif",
    "Mona", "Nils", "Oda", "Per", "Runa", "Siv", "Tor", "Una",
];
const LAST_NAMES: [&str; 20] = [
    "Aas", "Berg", "Dahl", "Eide", "Foss", "Gran", "Haug", "Holm", "Juul", "Krog", "Lie", "Moe",
    "Nygaard", "Osen", "Rud", "Solberg", "Strand", "Tveit", "Vik", "Wold",
];
const CITIES: [&str; 12] = [
    "Bergen", "Bodø", "Drammen", "Hamar", "Larvik", "Molde", "Narvik", "Oslo", "Skien", "Tromsø",
    "Vadsø", "Ålesund",
];
const KINDS: [&str; 8] = ["chair", "desk", "lamp", "shelf", "stool", "table", "bench", "crate"];
const WOODS: [&str; 6] = ["Ash", "Birch", "Cherry", "Elm", "Oak", "Pine"];
const STATUSES: [&str; 4] = ["new", "picking", "packed", "shipped"];

/// Where a record is at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On both sides; the account holds the shop's key.
    Keyed,
    /// On both sides; only the e-mail address tells.
    ByEmail,
    /// In the shop alone.
    Shop,
    /// In Salesforce alone.
    Salesforce,
}

/// A customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Customer {
    /// The key in the shop; means nothing for one of Salesforce alone.
    pub(crate) key: String,
    /// Name.
    pub(crate) name: String,
    /// E-mail address, which no two share.
    pub(crate) email: String,
    /// City.
    pub(crate) city: &'static str,
    /// Phone number, as each side has it.
    pub(crate) phone: Both<Option<String>>,
    /// Where the customer is.
    pub(crate) place: Place,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    /// Its key in the shop.
    pub(crate) sku: String,
    /// Title.
    pub(crate) title: String,
    /// Pieces in stock.
    pub(crate) stock: i64,
    /// Where it is.
    pub(crate) place: Place,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Its key in the shop.
    pub(crate) key: String,
    /// Whose.
    pub(crate) customer: String,
    /// When.
    pub(crate) placed: String,
    /// How far it is.
    pub(crate) status: &'static str,
    /// Where it is.
    pub(crate) place: Place,
}

/// Customers (keys in the shop) with a part in the day; all are on both sides and agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cast {
    /// Edited in the shop, and edited in Salesforce.
    pub(crate) one_side: Both<String>,
    /// Edited on both sides, in different fields.
    pub(crate) apart: String,
    /// Edited on both sides, in the phone number, and in the city.
    pub(crate) phone: String,
    pub(crate) city: String,
    /// Orders something.
    pub(crate) buyer: String,
    /// Deleted in the shop, edited in Salesforce.
    pub(crate) deleted: String,
    /// Gets a city that Salesforce refuses, and a phone number that doesn't fit.
    pub(crate) refused: String,
    pub(crate) long: String,
    /// Edited while Salesforce is away.
    pub(crate) outage: Vec<String>,
    /// Is made once more.
    pub(crate) twice: String,
    /// The product that both sides count.
    pub(crate) counted: String,
}

/// Everything at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Customers, in the order of their keys.
    pub(crate) customers: Vec<Customer>,
    /// Products.
    pub(crate) products: Vec<Product>,
    /// Orders.
    pub(crate) orders: Vec<Order>,
    /// Parts of the day.
    pub(crate) cast: Cast,
}

impl Place {
    /// Whether it is in the shop.
    pub(crate) fn in_shop(self) -> bool {
        self != Place::Salesforce
    }

    /// Whether it is in Salesforce.
    pub(crate) fn in_salesforce(self) -> bool {
        self != Place::Shop
    }
}

impl Sample {
    /// Draws a sample.
    pub(crate) fn draw(chance: &mut Chance) -> Sample {
        let customers = customers(chance);
        let mut agreeing: Vec<String> =
            keys(&customers, Place::Keyed).map(|one| one.key.clone()).collect();
        chance.shuffle(&mut agreeing);
        let products = products(chance);
        let cast = cast(agreeing, &products);
        let orders = orders(chance, &customers, &cast);
        Sample { customers, products, orders, cast }
    }

    /// A customer by the shop's key.
    pub(crate) fn customer(&self, key: &str) -> &Customer {
        let found = self.customers.iter().find(|customer| customer.key == key);
        found.expect("the cast names customers of the sample")
    }
}

fn keys(customers: &[Customer], place: Place) -> impl Iterator<Item = &Customer> {
    customers.iter().filter(move |customer| customer.place == place)
}

fn customers(chance: &mut Chance) -> Vec<Customer> {
    let places = [
        (Place::Keyed, KEYED),
        (Place::ByEmail, BY_EMAIL),
        (Place::Shop, SHOP_ONLY),
        (Place::Salesforce, SALESFORCE_ONLY),
    ];
    let mut places: Vec<Place> =
        places.into_iter().flat_map(|(place, count)| vec![place; count]).collect();
    // Those of Salesforce alone stay last: they use up no key.
    let in_shop = places.len() - SALESFORCE_ONLY;
    chance.shuffle(&mut places[..in_shop]);
    let mut names = BTreeSet::new();
    let mut by_email = 0;
    let mut made = Vec::new();
    for (at, place) in places.into_iter().enumerate() {
        let mut customer = customer(chance, at, place, &mut names);
        if place == Place::ByEmail {
            differ(chance, &mut customer, by_email);
            by_email += 1;
        }
        made.push(customer);
    }
    made
}

fn customer(
    chance: &mut Chance,
    at: usize,
    place: Place,
    names: &mut BTreeSet<(usize, usize)>,
) -> Customer {
    let (first, last) = loop {
        let name = (chance.below(FIRST_NAMES.len()), chance.below(LAST_NAMES.len()));
        if names.insert(name) {
            break (FIRST_NAMES[name.0], LAST_NAMES[name.1]);
        }
    };
    let phone = Some(phone(chance));
    Customer {
        key: (FIRST_CUSTOMER + at).to_string(),
        name: format!("{first} {last}"),
        email: format!("{first}.{last}@example.com").to_lowercase(),
        city: chance.pick(&CITIES),
        phone: Both::new(phone.clone(), phone),
        place,
    }
}

/// The first few lack a number on one side, by turns; the next have two.
fn differ(chance: &mut Chance, customer: &mut Customer, nth: usize) {
    if nth >= GAPS + DIFFERING {
        return;
    }
    let new = if nth < GAPS { None } else { Some(phone(chance)) };
    let side =
        if nth.is_multiple_of(2) { &mut customer.phone.left } else { &mut customer.phone.right };
    *side = new;
}

/// A phone number.
pub(crate) fn phone(chance: &mut Chance) -> String {
    let two = |chance: &mut Chance| chance.between(10, 99);
    format!("+47 22 {} {} {}", two(chance), two(chance), two(chance))
}

/// A city other than this one.
pub(crate) fn other_city(chance: &mut Chance, than: &[&str]) -> &'static str {
    let others: Vec<&'static str> =
        CITIES.into_iter().filter(|city| !than.contains(city)).collect();
    chance.pick(&others)
}

fn products(chance: &mut Chance) -> Vec<Product> {
    let mut titles: Vec<(&str, &str)> =
        WOODS.iter().flat_map(|wood| KINDS.iter().map(move |kind| (*wood, *kind))).collect();
    chance.shuffle(&mut titles);
    let made = titles.into_iter().take(PRODUCTS).enumerate().map(|(at, (wood, kind))| Product {
        sku: format!("{}-{}", wood, kind).to_uppercase(),
        title: format!("{wood} {kind}"),
        stock: chance.between(8, 40),
        place: if at < PRODUCTS - NEW_PRODUCTS { Place::Keyed } else { Place::Shop },
    });
    made.collect()
}

fn orders(chance: &mut Chance, customers: &[Customer], cast: &Cast) -> Vec<Order> {
    let buyers: Vec<&Customer> =
        keys(customers, Place::Keyed).filter(|customer| customer.key != cast.deleted).collect();
    let made = (0..ORDERS).map(|at| Order {
        key: (FIRST_ORDER + at).to_string(),
        customer: chance.pick(&buyers).key.clone(),
        placed: format!("2026-11-{:02}", 1 + at * 3),
        status: chance.pick(&STATUSES),
        place: if at < ORDERS - NEW_ORDERS { Place::Keyed } else { Place::Shop },
    });
    made.collect()
}

fn cast(mut agreeing: Vec<String>, products: &[Product]) -> Cast {
    let mut next = || agreeing.pop().expect("there are more customers than parts");
    Cast {
        one_side: Both::build(|_| next()),
        apart: next(),
        phone: next(),
        city: next(),
        buyer: next(),
        deleted: next(),
        refused: next(),
        long: next(),
        outage: (0..IN_OUTAGE).map(|_| next()).collect(),
        twice: next(),
        counted: products[0].sku.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u64) -> Sample {
        Sample::draw(&mut Chance::new(seed))
    }

    #[test]
    fn the_seed_decides_all_of_it() {
        assert_eq!(sample(3), sample(3));
        assert_ne!(sample(3).customers, sample(4).customers);
        assert_ne!(sample(3).cast, sample(4).cast);
    }

    #[test]
    fn every_seed_gives_the_same_numbers_and_no_two_of_one_kind() {
        for seed in 0..200 {
            let Sample { customers, products, orders, cast } = sample(seed);
            let count = |place| keys(&customers, place).count();
            assert_eq!(count(Place::Keyed) + count(Place::ByEmail), KEYED + BY_EMAIL, "{seed}");
            let emails: BTreeSet<&str> = customers.iter().map(|one| one.email.as_str()).collect();
            assert_eq!(emails.len(), customers.len(), "seed {seed}");
            let skus: BTreeSet<&str> = products.iter().map(|one| one.sku.as_str()).collect();
            assert_eq!(skus.len(), PRODUCTS, "seed {seed}");
            assert!(orders.iter().all(|order| order.customer != cast.deleted), "seed {seed}");
            let differing = |one: &&Customer| one.phone.left != one.phone.right;
            assert_eq!(customers.iter().filter(differing).count(), GAPS + DIFFERING, "{seed}");
        }
    }

    #[test]
    fn those_of_salesforce_alone_use_up_no_key_of_the_shop() {
        let customers = sample(1).customers;
        let last = customers.iter().rposition(|customer| customer.place.in_shop());
        assert_eq!(last, Some(customers.len() - SALESFORCE_ONLY - 1));
    }

    #[test]
    fn nobody_has_two_parts() {
        let sample = sample(5);
        let Cast {
            one_side, apart, phone, city, buyer, deleted, refused, long, outage, twice, ..
        } = &sample.cast;
        let parts = [&one_side.left, &one_side.right, apart, phone, city, buyer, deleted, refused];
        let all: Vec<&String> = parts.into_iter().chain([long, twice]).chain(outage).collect();
        let distinct: BTreeSet<&&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        for key in all {
            let customer = sample.customer(key);
            assert_eq!(customer.place, Place::Keyed);
            assert_eq!(customer.phone.left, customer.phone.right);
        }
    }
}
