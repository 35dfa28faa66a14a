//! One HTML file that tells what became of a job: no script, nothing loaded from elsewhere, at most a megabyte.
//!
//! Each part has its own bound, so that none can take the room of the others: a job may print for hours and show films.
//! [`outputs`] holds what cells showed, [`cells`] writes it below its code, [`facts`] says what the job was, [`tables`] what
//! its clusters did.

mod cells;
mod facts;
#[cfg(test)]
mod fixture;
mod form;
mod outputs;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use protocol::jobs::Job;
use protocol::versions::VersionTable;

pub(super) use self::outputs::Outputs;
use super::host::Trace;
use super::plan::Plan;
use crate::html;

/// Bytes of all code, of all text that it showed, and of all pages and images, as they stand in the file.
const CODE: usize = 70_000;
const TEXT: usize = 110_000;
const RICH: usize = 180_000;

/// Bytes of each figure; one that is drawn by us is smaller.
const FIGURE: usize = 300_000;

/// What a job's report has beside what all reports have.
const STYLE: &str = "body{max-width:1100px}h2{border-bottom:1px solid #d8dee4;padding-bottom:.2rem}tbody th{\
    font-weight:400}i,td.bar div{outline:1px solid #8886}h3{font-size:1rem;margin:1.2rem 0 .3rem}nav{margin:.6rem 0}nav a{margin-right:1rem}a{color:#0969da}.facts{gap:.4rem 2.2rem}.outcome{display:inline-block;\
    padding:.1rem .6rem;border-radius:1rem;font-size:.85rem;vertical-align:middle;margin-left:.6rem;background:#ddf4ff;\
    color:#0550ae}.succeeded{background:#dafbe1;color:#116329}.failed{background:#ffebe9;color:#a40e26}.why{border-left:3px \
    solid #cf222e;padding:.2rem .8rem;overflow-wrap:anywhere}.scroll{overflow-x:auto}table.pairs{width:auto}table.pairs \
    th{color:#57606a;white-space:nowrap}caption{text-align:left;color:#57606a;padding-bottom:.3rem}figure{\
    margin:1rem 0}figure svg{display:block;max-width:100%;height:auto}pre{border-radius:4px;max-height:36rem;overflow:auto}pre.code{background:#f6f8fa;\
    padding:.6rem .8rem}pre.err{border-left:3px solid #d4a72c;padding-left:.8rem}pre.raised{background:#fff5f5;padding:.6rem \
    .8rem}.cell{margin:1rem 0}.label{font:12px ui-monospace,monospace;color:#57606a}iframe{width:100%;border:1px solid \
    #d8dee4;border-radius:4px;resize:vertical}td.bar{width:22%;min-width:5rem}td.bar div{height:.7em;margin-top:.4em;min-width:\
    1px}.bad{color:#a40e26}@media(prefers-color-scheme:dark){h2,iframe{border-color:#30363d}a{color:#58a6ff}.outcome{\
    background:#0c2d6b;color:#a5d6ff}.succeeded{background:#033a16;color:#7ee787}.failed{background:#5d0f12;color:#ffc1ba}\
    table.pairs th,caption,.label{color:#8b949e}pre.code{background:#161b22}pre.raised{background:#2b1214}.bad{color:\
    #ff7b72}figure svg text{fill:#c9d1d9}figure svg [fill=\"#FFFFFF\"]{fill:none}figure svg [stroke=\"#E1E4E8\"]{stroke:\
    #30363d}figure svg rect{stroke:#8886}}@media print{body{margin:0;max-width:none;font-size:11px}nav{display:none}figure,tr,pre.code{break-inside:\
    avoid}h2,h3{break-after:avoid}pre{max-height:none}iframe{resize:none}}";

/// All that is known of a job when it is over.
pub(super) struct Known<'a> {
    /// As it ended.
    pub(super) job: &'a Job,
    /// `None` where its work can't be read.
    pub(super) plan: Option<&'a Plan>,
    pub(super) outputs: &'a Outputs,
    /// `None` where nothing was recorded.
    pub(super) trace: Option<&'a Trace>,
    /// `None` where they were not compared.
    pub(super) versions: Option<&'a VersionTable>,
    /// What its cost is in.
    pub(super) currency: Option<&'a str>,
}

/// The file.
pub(super) fn write(known: &Known<'_>) -> String {
    let mut page = html::head(&format!("{}: report", known.job.name), STYLE);
    page.push_str("<main>\n");
    facts::write(known, &mut page);
    cells::write(known, &mut page);
    if let Some(trace) = known.trace {
        tables::write(trace, &mut page);
    }
    tables::versions(known, &mut page);
    page.push_str("</main>\n</body></html>\n");
    page
}
