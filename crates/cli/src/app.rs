//! The application of one command: the project as configured, and whatever of the world a command
//! asks for. Nothing is opened before it is needed: `check --offline` touches no network.

use crate::args::{Cli, Color, Format};
use crate::env;
use crate::exit::{Exit, Failure};
use crate::progress;
use crate::report;
use crate::sides::Sides;
use crate::state;
use crate::vet;
use crate::wire;
use duet_config::{Mistake, Project};
use duet_core::id::FlowName;
use duet_core::spec::FlowSpec;
use duet_desk::Desk;
use duet_pipeline::context::Context;
use duet_ports::clock::System;
use duet_ports::store::Store;
use duet_store::{Postgres, PostgresOptions};
use indicatif::ProgressBar;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One command's application.
pub(crate) struct App {
    /// The project.
    pub(crate) project: Project,
    /// How to print results.
    pub(crate) format: Format,
    /// Whether colour is welcome on stderr.
    pub(crate) color: bool,
    /// Who is at the keyboard.
    pub(crate) user: Option<String>,
    /// The project's folder.
    pub(crate) folder: PathBuf,
    quiet: bool,
}

impl App {
    /// Reads the project; every mistake is printed.
    pub(crate) fn load(cli: &Cli) -> Result<App, Failure> {
        App::at(cli, &cli.dir)
    }

    /// The same of a project in another folder than the command line names.
    pub(crate) fn at(cli: &Cli, folder: &Path) -> Result<App, Failure> {
        let color = color(cli.color);
        let refused = |mistakes: Vec<Mistake>| {
            report::mistakes(&mistakes, cli.output, color);
            Failure::new(Exit::Config, report::summary(&mistakes))
        };
        let project = duet_config::load(folder, &env::read).map_err(refused)?;
        let wrong = vet::project(&project);
        if !wrong.is_empty() {
            return Err(refused(wrong));
        }
        let (format, quiet) = (cli.output, cli.quiet);
        let (user, folder) = (env::user(), folder.to_owned());
        Ok(App { project, format, color, user, folder, quiet })
    }

    /// The same for these flows alone; for all, if none is named. Others are left to processes that
    /// work on them.
    pub(crate) fn only(mut self, flows: &[String]) -> Result<App, Failure> {
        let known =
            |name: &String| self.project.flows.iter().any(|flow| flow.spec.name.as_str() == name);
        if let Some(stranger) = flows.iter().find(|name| !known(name)) {
            let names: Vec<&str> =
                self.project.flows.iter().map(|flow| flow.spec.name.as_str()).collect();
            let sentence = format!("no flow named {stranger} is configured");
            let hint = format!("there are: {}", names.join(", "));
            return Err(Failure::new(Exit::Usage, sentence).hint(hint));
        }
        if !flows.is_empty() {
            self.project
                .flows
                .retain(|flow| flows.iter().any(|name| name == flow.spec.name.as_str()));
        }
        Ok(self)
    }

    /// The state database, or the state file where no servers are configured.
    pub(crate) async fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        match &self.project.servers {
            None => state::open(&self.folder).await,
            Some(servers) => {
                let options = PostgresOptions::default();
                Ok(Arc::new(Postgres::connect(&servers.state.url, options).await?))
            }
        }
    }

    /// The desk, on flows as configured: what people see needs no connection to a side.
    pub(crate) async fn desk(&self) -> Result<Desk, Failure> {
        Ok(Desk {
            store: self.store().await?,
            clock: Arc::new(System),
            flows: self.drafts(),
            reveal: false,
        })
    }

    fn drafts(&self) -> BTreeMap<FlowName, Arc<FlowSpec>> {
        let flows = self.project.flows.iter();
        flows.map(|flow| (flow.spec.name.clone(), Arc::new(flow.spec.clone()))).collect()
    }

    /// Both ends of every connection.
    pub(crate) fn sides(&self) -> Result<Sides, Failure> {
        Sides::open(&self.project, &self.folder).map_err(|mistakes| {
            report::mistakes(&mistakes, self.format, self.color);
            Failure::new(Exit::Config, report::summary(&mistakes))
        })
    }

    /// Everything the pipeline needs: sides described, flows bound, store and hub connected.
    pub(crate) async fn context(&self) -> Result<Arc<Context>, Failure> {
        wire::context(self).await
    }

    /// A progress bar on stderr.
    pub(crate) fn progress(&self, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        progress::begin(what, self.quiet)
    }
}

/// Whether colour is welcome on stderr.
pub(crate) fn color(choice: Color) -> bool {
    color_on(choice, std::io::stderr().is_terminal())
}

/// Whether colour is welcome on a stream.
pub(crate) fn color_on(choice: Color, is_terminal: bool) -> bool {
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if env::no_color() => false,
        Color::Auto => env::force_color() || is_terminal,
    }
}
