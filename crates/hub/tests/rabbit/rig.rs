//! The contract's rig on RabbitMQ: clients reach the broker through a proxy that can cut them off,
//! disturbances go around it.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use duet_hub::{RabbitHub, RabbitSettings};
use duet_ports::clock::System;
use duet_ports::hub::{Hub, Queue};
use duet_testkit::hub_contract::{BrokerRig, HubRig};
use duet_testkit::servers::{
    Broker, Fault, PrivateRabbit, Proxy, private_rabbitmq, proxy, rabbitmq,
};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::Mutex;

/// A broker, or a virtual host of one.
pub(crate) struct Rig {
    pub(crate) access: Access,
    server: Server,
}

enum Server {
    /// A virtual host of its own on a broker that several tests share.
    Shared(Broker),
    /// A broker of its own.
    Private(Mutex<PrivateRabbit>),
}

/// The way to a broker, for clients and around them.
pub(crate) struct Access {
    url: String,
    pub(crate) proxy: Proxy,
}

pub(crate) async fn shared() -> Rig {
    let broker = rabbitmq().await.expect("RabbitMQ is there");
    Rig { access: Access::to(broker.url()).await, server: Server::Shared(broker) }
}

pub(crate) async fn private() -> Rig {
    let broker = private_rabbitmq().await.expect("RabbitMQ is installed");
    let access = Access::to(&broker.url()).await;
    Rig { access, server: Server::Private(Mutex::new(broker)) }
}

impl Access {
    async fn to(url: &str) -> Self {
        let uri: AMQPUri = url.parse().expect("the launcher gives an address");
        let target = SocketAddr::from(([127, 0, 0, 1], uri.authority.port));
        let proxy = proxy(target).await.expect("a port is free");
        Access { url: url.to_owned(), proxy }
    }

    pub(crate) fn settings(&self) -> RabbitSettings {
        self.settings_with("")
    }

    /// Settings with a query behind the address.
    pub(crate) fn settings_with(&self, query: &str) -> RabbitSettings {
        let uri: AMQPUri = self.url.parse().expect("the launcher gives an address");
        let (real, through) = (uri.authority.port, self.proxy.address().port());
        let url = self.url.replace(&format!(":{real}/"), &format!(":{through}/"));
        RabbitSettings::parse(&format!("{url}{query}")).expect("only the port changed")
    }

    fn hub(&self) -> Arc<dyn Hub> {
        Arc::new(RabbitHub::open(self.settings(), Arc::new(System), Arc::new(System)))
    }

    /// A connection around the proxy.
    async fn channel(&self) -> (Connection, Channel) {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&self.url, properties).await.expect("it is up");
        let channel = connection.create_channel().await.expect("it is up");
        (connection, channel)
    }

    async fn put(&self, queue: &Queue, body: &[u8]) {
        let (_connection, channel) = self.channel().await;
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = channel
            .basic_publish("duet".into(), name(queue).into(), options, body, properties)
            .await;
        sent.expect("it is up").await.expect("it is up");
    }

    async fn make_differently(&self, queue: &Queue) {
        let (_connection, channel) = self.channel().await;
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(name(queue).into(), options, arguments).await.expect("made");
    }

    async fn delete(&self, queue: &Queue) {
        let (_connection, channel) = self.channel().await;
        let options = QueueDeleteOptions::default();
        channel.queue_delete(name(queue).into(), options).await.expect("deleted");
    }

    async fn purge(&self) {
        let (_connection, channel) = self.channel().await;
        let fixed = [Queue::Retry, Queue::Bulk, Queue::Dead, Queue::Intents("shop".into())];
        for queue in fixed.into_iter().chain((0..4).map(Queue::Changes)) {
            let options = QueuePurgeOptions::default();
            channel.queue_purge(name(&queue).into(), options).await.expect("purged");
        }
    }
}

fn name(queue: &Queue) -> String {
    match queue {
        Queue::Changes(partition) => format!("duet.changes.{partition}"),
        Queue::Intents(connection) => format!("duet.intents.{connection}"),
        Queue::Retry => "duet.retry".to_owned(),
        Queue::Bulk => "duet.bulk".to_owned(),
        Queue::Dead => "duet.dead".to_owned(),
    }
}

fn limiting(virtual_host: &str, messages: usize) -> String {
    format!(
        "rabbit_policy:set(<<\"{virtual_host}\">>, <<\"limit\">>, <<\".*\">>, \
         [{{<<\"max-length\">>, {messages}}}], 0, <<\"queues\">>, <<\"duet-tests\">>)."
    )
}

impl Rig {
    async fn evaluate(&self, expression: &str) {
        let done = match &self.server {
            Server::Shared(broker) => broker.evaluate(expression),
            Server::Private(broker) => broker.lock().await.evaluate(expression),
        };
        done.expect("the node does it");
    }
}

#[async_trait(?Send)]
impl HubRig for Rig {
    async fn hub(&self) -> Arc<dyn Hub> {
        self.access.hub()
    }

    async fn put(&self, queue: &Queue, body: &[u8]) {
        self.access.put(queue, body).await;
    }

    async fn purge(&self) {
        self.access.purge().await;
    }

    async fn limit(&self, messages: usize) {
        let virtual_host = match &self.server {
            Server::Shared(broker) => broker.name(),
            Server::Private(_) => "/",
        };
        self.evaluate(&limiting(virtual_host, messages)).await;
    }
}

#[async_trait(?Send)]
impl BrokerRig for Rig {
    async fn make_differently(&self, queue: &Queue) {
        self.access.make_differently(queue).await;
    }

    async fn delete(&self, queue: &Queue) {
        self.access.delete(queue).await;
    }

    async fn cut(&self) {
        self.access.proxy.drop_connections();
    }

    async fn lose_answers(&self, lost: bool) {
        self.access.proxy.set(if lost { Fault::CutAfter(0) } else { Fault::None });
    }

    async fn crash(&self) {
        let Server::Private(broker) = &self.server else { panic!("others use this broker") };
        let mut broker = broker.lock().await;
        broker.kill();
        broker.start().await.expect("it starts on its data");
    }

    async fn starve(&self, starved: bool) {
        assert!(matches!(self.server, Server::Private(_)), "others use this broker");
        let share = if starved { "0.00001" } else { "0.6" };
        self.evaluate(&format!("vm_memory_monitor:set_vm_memory_high_watermark({share}).")).await;
    }
}
