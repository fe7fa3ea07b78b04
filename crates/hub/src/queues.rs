//! The queues of the design, whatever carries them: their names, which there are, and when a
//! message is poison.

use duet_ports::hub::{Queue, Topology};

/// A message given back more often is poison.
pub(crate) const DELIVERY_LIMIT: u32 = 20;

/// The names of one installation.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Names { prefix: prefix.to_owned() }
    }

    pub(crate) fn exchange(&self) -> &str {
        &self.prefix
    }

    /// The queue's name, which is its routing key too.
    pub(crate) fn queue(&self, queue: &Queue) -> String {
        let prefix = &self.prefix;
        match queue {
            Queue::Changes(partition) => format!("{prefix}.changes.{partition}"),
            Queue::Intents(connection) => format!("{prefix}.intents.{connection}"),
            Queue::Retry => format!("{prefix}.retry"),
            Queue::Bulk => format!("{prefix}.bulk"),
            Queue::Dead => format!("{prefix}.dead"),
        }
    }
}

/// Every queue of a topology.
pub(crate) fn queues(topology: &Topology) -> Vec<Queue> {
    // The dead first: at-least-once dead-lettering waits for its target.
    let fixed = [Queue::Dead, Queue::Retry, Queue::Bulk];
    let changes = (0..topology.partitions).map(Queue::Changes);
    let intents = topology.connections.iter().cloned().map(Queue::Intents);
    fixed.into_iter().chain(changes).chain(intents).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_are_those_of_the_design() {
        let (names, connections) = (Names::new("duet"), vec!["shop".into()]);
        let all = queues(&Topology { partitions: 2, connections });
        let all: Vec<String> = all.iter().map(|queue| names.queue(queue)).collect();
        let expected = ["dead", "retry", "bulk", "changes.0", "changes.1", "intents.shop"];
        assert_eq!(all, expected.map(|name| format!("duet.{name}")));
    }
}
