//! A fresh virtual host on a broker that several tests share. Not a node: it can't be stopped.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::leftover::PREFIX;
use super::process::run;
use super::rabbitmq::{Node, PrivateRabbit, greets, private_rabbitmq};
use super::{ServerError, settings};

const USUAL: &str = "amqp://guest:guest@127.0.0.1:5672";
const USUAL_PORT: u16 = 5672;

/// Virtual hosts made by this process so far; with the process id it makes their names unique.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A virtual host that is deleted with this value.
#[derive(Debug)]
pub struct Broker {
    url: String,
    name: String,
    control: Control,
    // Last: the node must still run when the virtual host is deleted.
    _server: Option<PrivateRabbit>,
}

/// Who evaluates administrative expressions: a node of tests, or the system's own.
#[derive(Clone, Debug)]
pub(super) enum Control {
    Node(Node),
    System,
}

impl Control {
    fn evaluate(&self, expression: &str) -> Result<String, ServerError> {
        match self {
            Self::Node(node) => node.evaluate(expression),
            Self::System => {
                let mut command = Command::new("rabbitmqctl");
                command.args(["--quiet", "eval", expression]);
                run(command)
            }
        }
    }

    /// The names of all virtual hosts.
    pub(super) fn virtual_hosts(&self) -> Result<Vec<String>, ServerError> {
        let listed =
            self.evaluate("io:format(\"~s~n\", [lists:join(10, rabbit_vhost:list_names())]).")?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Deletes a virtual host with everything in it.
    pub(super) fn delete(&self, name: &str) -> Result<(), ServerError> {
        let expression = format!("rabbit_vhost:delete(<<\"{name}\">>, <<\"duet-tests\">>).");
        self.evaluate(&expression).map(drop)
    }
}

impl Broker {
    /// The address of the virtual host for AMQP clients.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Evaluates an Erlang expression in the node: for what AMQP can't do, such as policies.
    ///
    /// # Errors
    /// What the node refused.
    pub fn evaluate(&self, expression: &str) -> Result<String, ServerError> {
        self.control.evaluate(expression)
    }

    /// The virtual host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes every message of every queue in the virtual host.
    ///
    /// # Errors
    /// What the broker refused.
    pub fn purge(&self) -> Result<(), ServerError> {
        let name = &self.name;
        let expression = format!(
            "[rabbit_amqqueue:purge(Q) || Q <- rabbit_amqqueue:list(<<\"{name}\">>)], purged."
        );
        self.control.evaluate(&expression).map(drop)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let expression = format!("rabbit_vhost:delete(<<\"{}\">>, <<\"duet-tests\">>).", self.name);
        let _ = self.control.evaluate(&expression);
    }
}

/// A fresh virtual host on the shared broker, or on a private one where none is reachable.
///
/// # Errors
/// When no broker answers and none can be started.
pub async fn rabbitmq() -> Result<Broker, ServerError> {
    if let Some((base, control)) = shared().await {
        return create(&base, control, None);
    }
    let server = private_rabbitmq().await?;
    let control = Control::Node(server.node().clone());
    create(&server.url(), control, Some(server))
}

/// The address of the shared broker, if there is one, and who administers it.
pub(super) async fn shared() -> Option<(String, Control)> {
    if let Some(base) = settings::read(settings::AMQP_URL) {
        let node = settings::read(settings::RABBITMQ_NODE).as_deref().and_then(Node::parse);
        return Some((base, node.map_or(Control::System, Control::Node)));
    }
    greets(USUAL_PORT).await.then(|| (USUAL.to_owned(), Control::System))
}

fn create(
    base: &str,
    control: Control,
    server: Option<PrivateRabbit>,
) -> Result<Broker, ServerError> {
    let name = format!("{PREFIX}{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    control.evaluate(&format!(
        "rabbit_vhost:add(<<\"{name}\">>, <<\"duet-tests\">>), \
         rabbit_auth_backend_internal:set_permissions(<<\"guest\">>, <<\"{name}\">>, \
         <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"duet-tests\">>)."
    ))?;
    Ok(Broker { url: format!("{}/{name}", authority(base)), name, control, _server: server })
}

/// The address without its virtual host.
fn authority(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    url[start..].find('/').map_or(url, |at| &url[..start + at])
}

#[cfg(test)]
mod tests {
    //! Shows that a virtual host in the address is replaced, not appended to.

    use super::*;

    #[test]
    fn the_virtual_host_is_cut_off() {
        assert_eq!(authority("amqp://guest:guest@127.0.0.1:5672/%2f"), USUAL);
        assert_eq!(authority("amqp://guest:guest@127.0.0.1:5672"), USUAL);
    }
}
