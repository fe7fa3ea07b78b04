//! What an installation stands on for as long as a test lasts: on servers, or alone with files in
//! the project's folder. What is done there is the same; nobody asks which of the two it is but
//! where something can happen to one only.

use duet_testkit::servers::{
    Broker, Database, PrivateRabbit, noting_postgres, postgres, private_rabbitmq, rabbitmq,
};
use duet_tests::duet::{Places, Project};
use duet_tests::northwind;

/// The standard price book of every organization.
const PRICE_BOOK: &str = "01s000000000001AAA";
/// Until the organization has started.
const NO_LOGIN: &str = "http://127.0.0.1:9";

/// How an installation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// PostgreSQL, twice, and RabbitMQ.
    Servers,
    /// One process, two SQLite files.
    Alone,
}

/// Makes two tests of each function: one on servers, one alone.
macro_rules! both_ways {
    ($($case:ident),+ $(,)?) => { $(
        mod $case {
            use crate::ground::Way;

            #[tokio::test(flavor = "multi_thread")]
            async fn on_servers() {
                super::$case(Way::Servers).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn alone() {
                super::$case(Way::Alone).await;
            }
        }
    )+ };
}
pub(crate) use both_ways;

/// A database of the test's own.
pub(crate) enum Base {
    /// On a server; gone when dropped.
    Server(Box<Database>),
    /// A file in the project's folder, by its address.
    File(String),
}

impl Base {
    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        match self {
            Base::Server(database) => database.url(),
            Base::File(url) => url,
        }
    }

    /// What it is.
    pub(crate) fn product(&self) -> &'static str {
        match self {
            Base::Server(_) => "postgres",
            Base::File(_) => "sqlite",
        }
    }
}

/// Where messages go.
pub(crate) enum Hub {
    /// A virtual host of the shared broker; gone when dropped.
    Shared(Broker),
    /// A broker that the test may stop.
    Own(PrivateRabbit),
    /// Nowhere but in the one process.
    Memory,
}

/// The shop with Northwind in it, a place for the state, and a hub.
pub(crate) struct Ground {
    pub(crate) shop: Base,
    pub(crate) state: Base,
    pub(crate) hub: Hub,
}

impl Ground {
    /// With servers that other tests use too, or with none; and a project for it.
    pub(crate) async fn new(way: Way, flows: &str) -> (Project, Ground) {
        match way {
            Way::Servers => {
                let (hub, shop) = (rabbitmq().await.unwrap(), postgres().await.unwrap());
                Ground::on_servers(flows, Hub::Shared(hub), shop).await
            }
            Way::Alone => Ground::alone(flows).await,
        }
    }

    /// With a broker that the test may stop.
    pub(crate) async fn with_own_broker(flows: &str) -> (Project, Ground) {
        let (hub, shop) = (private_rabbitmq().await.unwrap(), postgres().await.unwrap());
        Ground::on_servers(flows, Hub::Own(hub), shop).await
    }

    /// With a broker that the test may stop, and a shop's server that notes what it is asked.
    pub(crate) async fn with_own_servers(flows: &str) -> (Project, Ground) {
        let (hub, shop) = (private_rabbitmq().await.unwrap(), noting_postgres().await.unwrap());
        Ground::on_servers(flows, Hub::Own(hub), shop).await
    }

    /// With a server of the shop's own, which notes what it is asked.
    pub(crate) async fn with_own_shop(flows: &str) -> (Project, Ground) {
        let (hub, shop) = (rabbitmq().await.unwrap(), noting_postgres().await.unwrap());
        Ground::on_servers(flows, Hub::Shared(hub), shop).await
    }

    async fn on_servers(flows: &str, hub: Hub, shop: Database) -> (Project, Ground) {
        let state = postgres().await.unwrap();
        northwind::load(shop.url()).await.unwrap();
        let address = match &hub {
            Hub::Shared(broker) => broker.url().to_owned(),
            Hub::Own(broker) => broker.url(),
            Hub::Memory => panic!("servers have a broker"),
        };
        let places = Places {
            state: state.url(),
            hub: &address,
            shop: shop.url(),
            login: NO_LOGIN,
            price_book: PRICE_BOOK,
        };
        let project = Project::with_flows(flows, places).unwrap();
        let (shop, state) = (Base::Server(Box::new(shop)), Base::Server(Box::new(state)));
        (project, Ground { shop, state, hub })
    }

    async fn alone(flows: &str) -> (Project, Ground) {
        let project = Project::alone(flows, NO_LOGIN, PRICE_BOOK).unwrap();
        northwind::load(&project.shop_file()).await.unwrap();
        let shop = Base::File(project.shop_file());
        let state = Base::File(project.state_file());
        (project, Ground { shop, state, hub: Hub::Memory })
    }
}
