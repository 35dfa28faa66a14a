//! The plots that there are: the name that opens each, and its title.

/// Names and titles, as menus list them.
pub const PLOTS: [(&str, &str); 19] = [
    ("status", "Status"),
    ("task-stream", "Task Stream"),
    ("progress", "Progress"),
    ("cluster-memory", "Cluster Memory"),
    ("workers-memory", "Worker Memory"),
    ("processing", "Tasks Processing"),
    ("cpu", "CPU Use"),
    ("occupancy", "Occupancy"),
    ("workers", "Workers"),
    ("timeseries-cpu", "CPU over Time"),
    ("timeseries-memory", "Memory over Time"),
    ("timeseries-network", "Network over Time"),
    ("timeseries-disk", "Disk over Time"),
    ("timeseries-workers", "Workers over Time"),
    ("errors", "Errors"),
    ("profile", "Profile"),
    ("task-groups", "Task Groups"),
    ("cluster-map", "Cluster Map"),
    ("logs", "Logs"),
];

/// Begins the name of a plot of Dask's own dashboard; the rest is the last part of its path.
pub const BOKEH: &str = "bokeh:";

/// Title of what a name opens.
pub fn title(plot: &str) -> Option<&'static str> {
    PLOTS
        .iter()
        .find(|(name, _)| *name == plot)
        .map(|(_, title)| *title)
}

/// Whether a recording can show it. The others ask a scheduler, and a recording has none.
pub fn is_recorded(plot: &str) -> bool {
    !matches!(plot, "profile" | "logs" | "task-groups")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_lacks_what_is_asked_of_a_scheduler() {
        let lacking = PLOTS.iter().filter(|(name, _)| !is_recorded(name));
        let titles: Vec<_> = lacking.map(|(_, title)| *title).collect();
        assert_eq!(titles, ["Profile", "Task Groups", "Logs"]);
    }

    #[test]
    fn jupyterlab_offers_every_plot() {
        let widgets = include_str!("../../jupyter-extension/src/widgets.ts");
        let list = widgets
            .split("PLOTS = [")
            .nth(1)
            .and_then(|rest| rest.split(']').next());
        let offered: Vec<_> = list
            .expect("the list of plots")
            .split(',')
            .map(|name| name.trim().trim_matches('\''))
            .collect();
        let known: Vec<_> = PLOTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(offered, known);
    }
}
