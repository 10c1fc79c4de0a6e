//! What was measured, as a table that people read.

use std::fmt;

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// Lower is better.
    AtMost(f64),
    /// Higher is better.
    AtLeast(f64),
    /// Shown for comparison.
    None,
}

/// The figures of all rounds.
pub struct Series(Vec<f64>);

impl Series {
    /// One figure per round, at least one.
    pub fn new(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }

    /// Round by round, this divided by that.
    pub fn ratio(these: &[f64], those: &[f64]) -> Self {
        let pairs = these.iter().zip(those);
        Self::new(pairs.map(|(this, that)| this / that).collect())
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        let n = self.0.len();
        match n {
            0 => f64::NAN,
            _ if n % 2 == 1 => self.0[n / 2],
            _ => (self.0[n / 2 - 1] + self.0[n / 2]) / 2.0,
        }
    }
}

impl fmt::Display for Series {
    /// The median, and the middle half of the rounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |part: usize| self.0.get(self.0.len() * part / 4).copied();
        let (low, high) = (at(1).unwrap_or(f64::NAN), at(3).or(self.0.last().copied()));
        let median = self.median();
        let digits = if median < 100.0 { 2 } else { 0 };
        let high = high.unwrap_or(f64::NAN);
        write!(f, "{median:.digits$} ({low:.digits$} to {high:.digits$})")
    }
}

/// Everything that was found, printed as it comes.
pub struct Report {
    /// Whether there were rounds enough to compare figures with targets.
    judges: bool,
    missed: Vec<String>,
    wrong: Vec<String>,
    met: usize,
}

impl Report {
    /// An empty one.
    pub fn new(judges: bool) -> Self {
        Self {
            judges,
            missed: Vec::new(),
            wrong: Vec::new(),
            met: 0,
        }
    }

    /// Begins a table.
    pub fn section(&mut self, title: &str, remark: &str) {
        println!(
            "\n## {title}\n\n{remark}\n\n| What | Here | Peer | Ratio | Target | |\n|---|---|---|---|---|---|"
        );
    }

    /// A line of figures: ours, a peer's, and the ratio of each round.
    pub fn row(&mut self, what: &str, ours: &[f64], peer: Option<&[f64]>, target: Target) {
        let here = Series::new(ours.to_vec());
        let (peer, ratio) = match peer {
            Some(peer) => (
                Series::new(peer.to_vec()).to_string(),
                Some(Series::ratio(ours, peer)),
            ),
            None => (String::new(), None),
        };
        let figure = ratio.as_ref().map_or_else(|| here.median(), Series::median);
        let ratio = ratio.map_or_else(String::new, |ratio| ratio.to_string());
        let (target, met) = match target {
            Target::AtMost(bound) => (format!("at most {bound}"), Some(figure <= bound)),
            Target::AtLeast(bound) => (format!("at least {bound}"), Some(figure >= bound)),
            Target::None => (String::new(), None),
        };
        let met = met.filter(|_| self.judges);
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        self.met += usize::from(met == Some(true));
        if met == Some(false) {
            self.missed.push(format!("{what}: {figure:.2}, {target}"));
        }
        println!("| {what} | {here} | {peer} | {ratio} | {target} | {verdict} |");
    }

    /// A line that says what happened, and whether it is what has to happen whatever the machine.
    pub fn fact(&mut self, what: &str, found: &str, right: bool) {
        let verdict = if right { "right" } else { "WRONG" };
        println!("| {what} | {found} | | | | {verdict} |");
        if !right {
            self.wrong.push(format!("{what}: {found}"));
        }
    }

    /// The summary; an error if something did not happen as it has to.
    pub fn end(self) -> Result<(), String> {
        if self.judges {
            println!("\n{} targets met, {} missed.", self.met, self.missed.len());
        }
        for missed in &self.missed {
            println!("- missed: {missed}");
        }
        if self.wrong.is_empty() {
            return Ok(());
        }
        Err(self.wrong.join("\n"))
    }
}
