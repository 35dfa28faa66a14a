//! Task groups as browsers see them: dependencies by place in the list.

use std::collections::HashMap;

use protocol::inspect::{TaskGroup, TaskGroups};

use super::progress::state_counts;

/// What is said where a scheduler refuses.
pub(super) const REFUSED: &str = "The scheduler does not allow the \u{201c}feed\u{201d} operation, and nothing else tells what tasks \
                                  depend on. The site\u{2019}s administrator can allow it (distributed.scheduler.blocked-handlers).";

/// What the scheduler holds of them; a group of which everything is forgotten is gone.
pub(super) fn groups(found: dask_comm::TaskGroups) -> TaskGroups {
    let mut left_out = found.left_out;
    let alive: Vec<_> = found
        .groups
        .into_iter()
        .map(|group| (state_counts(&group.states), group))
        .filter(|(counts, _)| {
            let alive = counts.all() > 0;
            left_out += u64::from(!alive);
            alive
        })
        .collect();
    let places: HashMap<String, u32> = alive
        .iter()
        .zip(0..)
        .map(|((_, group), place)| (group.name.clone(), place))
        .collect();
    let groups = alive
        .into_iter()
        .map(|(counts, group)| {
            let own = places.get(&group.name).copied();
            let known = group
                .dependencies
                .iter()
                .filter_map(|name| places.get(name).copied());
            // A group's tasks may need each other; that is no edge between groups.
            let mut needs: Vec<u32> = known.filter(|place| Some(*place) != own).collect();
            needs.sort_unstable();
            TaskGroup {
                color: timeline::color_index(&group.prefix),
                name: group.name,
                prefix: group.prefix,
                counts,
                needs,
                bytes: group.nbytes,
                seconds: group.seconds,
            }
        })
        .collect();
    TaskGroups { groups, left_out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_lead_to_what_is_there() {
        let group = |name: &str, state: &str, dependencies: &[&str]| dask_comm::TaskGroup {
            name: name.to_owned(),
            prefix: name.to_owned(),
            states: [(state.to_owned(), 2)].into(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
            ..dask_comm::TaskGroup::default()
        };
        let seen = groups(dask_comm::TaskGroups {
            groups: vec![
                group("gone", "forgotten", &[]),
                group("load", "memory", &["gone"]),
                group("sum", "processing", &["sum", "load", "older"]),
            ],
            left_out: 3,
        });
        assert_eq!(seen.left_out, 4);
        let needs: Vec<_> = seen
            .groups
            .iter()
            .map(|g| (g.name.as_str(), g.needs.as_slice()))
            .collect();
        assert_eq!(needs, [("load", &[][..]), ("sum", &[0][..])]);
        assert_eq!(seen.groups[1].counts.processing, 2);
    }
}
