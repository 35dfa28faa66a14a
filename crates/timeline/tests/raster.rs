//! The raster against one written separately: straight from raw rectangles, by the documented rule.

use proptest::prelude::*;
use timeline::{Action, Colors, Rect, Rgba, Surface, Timeline, View, raster_row};

const BASE: i64 = 1_795_334_646_000_000;

fn colors() -> Colors {
    Colors::dask([12, 17, 2, 6, 7])
}

/// Dask's colours or the others, of all prefixes or of some.
fn any_colors() -> impl Strategy<Value = Colors> {
    let only = prop::option::of(prop::collection::vec(any::<bool>(), 7));
    (any::<bool>(), only).prop_map(|(safe, only)| Colors {
        only,
        ..if safe { Colors::safe(5) } else { colors() }
    })
}

fn layer(action: Action) -> usize {
    match action {
        Action::Compute => 0,
        Action::Erred => 2,
        _ => 1,
    }
}

fn of_layer(rects: &[Rect], n: usize) -> Vec<Rect> {
    rects.iter().filter(|r| layer(r.action) == n).copied().collect()
}

/// One row, by the rule, in floating point and with nothing but loops.
fn naive_row(rects: &[Rect], view: &View, colors: &Colors) -> Vec<Rgba> {
    let mut row = Vec::new();
    for x in 0..i64::from(view.width()) {
        let (begin, end) = (view.edge(x), view.edge(x + 1));
        let mut pixel = [0_u8; 4];
        let light = colors.stripes && (view.first() + x).rem_euclid(4) >= 2;
        for (n, least) in [90.0, 128.0, 255.0].into_iter().enumerate() {
            let (mut covered, mut most, mut color, mut seam) = (0, 0, [0; 4], false);
            for rect in rects
                .iter()
                .filter(|r| layer(r.action) == n && colors.shows(r.prefix))
            {
                let part = rect.end_us().min(end) - rect.start_us.max(begin);
                if part > 0 {
                    covered += part;
                    seam |= n == 0 && rect.start_us >= begin && rect.end_us() > view.edge(x + 4);
                    if part > most {
                        most = part;
                        color = colors.of(rect.prefix, rect.action);
                    }
                }
            }
            if most > 0 {
                let share = (255.0 * covered as f64 / (end - begin) as f64)
                    .floor()
                    .min(255.0)
                    .max(least);
                let share = if seam { (share * 5.0 / 8.0).floor() } else { share };
                if light && n > 0 {
                    for part in &mut color[..3] {
                        *part = ((u32::from(*part) + 3 * 255) / 4) as u8;
                    }
                }
                let alpha = (share * f64::from(color[3]) / 255.0).round();
                pixel = naive_over(color, alpha / 255.0, pixel);
            }
        }
        row.push(pixel);
    }
    row
}

fn naive_over(top: Rgba, alpha: f64, under: Rgba) -> Rgba {
    let rest = f64::from(under[3]) / 255.0 * (1.0 - alpha);
    let total = alpha + rest;
    let mix = |i: usize| ((f64::from(top[i]) * alpha + f64::from(under[i]) * rest) / total).round() as u8;
    [mix(0), mix(1), mix(2), (total * 255.0).round() as u8]
}

/// Blended channels may differ by rounding; colours that are not blended may not.
fn assert_same(ours: &[Rgba], naive: &[Rgba]) {
    assert_eq!(ours.len(), naive.len());
    for (x, (a, b)) in ours.iter().zip(naive).enumerate() {
        let near = a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(near, "column {x}: {a:?} instead of {b:?}");
    }
}

fn timeline_of(rects: &[Rect]) -> Timeline {
    let mut timeline = Timeline::new(0);
    timeline.add_lane();
    push_all(&mut timeline, rects);
    timeline
}

fn push_all(timeline: &mut Timeline, rects: &[Rect]) {
    for rect in rects {
        timeline.push(0, *rect).expect("a fair rectangle");
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => Just(Action::Compute),
        2 => Just(Action::Transfer),
        1 => Just(Action::DiskRead),
        1 => Just(Action::DiskWrite),
        1 => Just(Action::Deserialize),
        1 => Just(Action::Erred),
    ]
}

/// Rectangles one after the other, with gaps, overlaps, late arrivals, duplicates and jumps of the clock.
fn rects(most: usize) -> impl Strategy<Value = Vec<Rect>> {
    let one = (action(), -300_i64..900, 0_u64..700, 0_u16..7, 0..200_u32);
    prop::collection::vec(one, 0..most).prop_map(|parts| {
        let mut now = BASE;
        let mut rects: Vec<Rect> = Vec::new();
        for (record, (action, gap, duration_us, prefix, odd)) in parts.into_iter().enumerate() {
            let rect = Rect {
                start_us: now + gap,
                duration_us,
                prefix,
                action,
                record: record as u64,
            };
            match odd {
                0 => now += 1_000_000,
                1 => now -= 500_000,
                2 => rects.extend(rects.last().copied()),
                3 => rects.push(Rect {
                    duration_us: 5_000_000,
                    ..rect
                }),
                _ => {}
            }
            now = now.max(rect.start_us) + duration_us as i64 / 2;
            rects.push(rect);
        }
        rects
    })
}

fn view() -> impl Strategy<Value = View> {
    let zoom = prop_oneof![1.0..20_f64, 20.0..900_f64, 900.0..60_000_f64];
    (-200_000_i64..400_000, zoom, 1_u32..120)
        .prop_map(|(t, us, width)| View::around((BASE + t) as f64, 0.0, us, width))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_row_is_what_the_rule_says(
        rects in rects(700), views in prop::collection::vec(view(), 1..5), colors in any_colors(),
    ) {
        let timeline = timeline_of(&rects);
        for view in &views {
            let mut row = vec![[9; 4]; view.width() as usize];
            raster_row(&timeline, 0, view, &colors, &mut row);
            assert_same(&row, &naive_row(&rects, view, &colors));
        }
    }

    #[test]
    fn a_kept_surface_equals_a_fresh_one(
        rects in rects(400), start in view(), steps in prop::collection::vec((0_usize..60, -70_i64..70, 0_u8..8), 1..12),
    ) {
        let mut timeline = timeline_of(&[]);
        timeline.add_lane();
        let (mut kept, mut view, mut taken) = (Surface::default(), start, 0);
        for (arrivals, columns, turn) in steps {
            let upto = rects.len().min(taken + arrivals);
            push_all(&mut timeline, &rects[taken..upto]);
            taken = upto;
            view = match turn {
                0 => View::around(view.t_of(5.0), 5.0, view.us_per_px() * 1.3, view.width()),
                1 => view.resized(view.width() + 3),
                _ => view.panned(columns),
            };
            let lanes: &[u16] = if turn == 2 { &[1, 0] } else { &[0, 1] };
            kept.update(&timeline, &view, lanes, &colors());
            let mut fresh = Surface::default();
            fresh.update(&timeline, &view, lanes, &colors());
            prop_assert_eq!(kept.pixels(), fresh.pixels());
            let mut built = Surface::default();
            let mut calls = 1;
            while !built.advance(&timeline, &view, lanes, &colors(), &mut || false) {
                calls += 1;
            }
            prop_assert_eq!((calls, built.pixels()), (lanes.len(), fresh.pixels()));
        }
    }

    #[test]
    fn what_is_left_after_eviction_is_painted_by_the_same_rule(
        rects in rects(1400), keep in 0_usize..800, part in 1_usize..500, views in prop::collection::vec(view(), 1..3),
    ) {
        // Numbered anew, so that of duplicates too it can be told which of them is left.
        let rects: Vec<Rect> = rects.iter().enumerate().map(|(n, r)| Rect { record: n as u64, ..*r }).collect();
        let mut timeline = timeline_of(&[]);
        let (mut left, mut surface): (Vec<Rect>, _) = (Vec::new(), Surface::default());
        for arrived in rects.chunks(part) {
            push_all(&mut timeline, arrived);
            left.extend(arrived);
            timeline.evict(keep);
            let before = left.clone();
            left.retain(|rect| !timeline.locate(rect.record).is_empty());
            prop_assert_eq!(timeline.rects(), left.len());
            prop_assert!(before.len() <= keep || left.len() < keep + 3 * 256, "{} left", left.len());
            for n in 0..3 {
                let (all, kept) = (of_layer(&before, n), of_layer(&left, n));
                prop_assert_eq!(&all[all.len() - kept.len()..], &kept[..], "the latest arrivals of a layer stay");
                prop_assert!(all.len() == kept.len() || !kept.is_empty());
            }
            for view in &views {
                surface.update(&timeline, view, &[0], &colors());
                assert_same(surface.pixels(), &naive_row(&left, view, &colors()));
            }
            let ends = |t: fn(&Rect) -> i64| left.iter().map(t);
            let bounds = ends(|r| r.start_us).min().zip(ends(Rect::end_us).max());
            prop_assert_eq!(timeline.bounds(), bounds);
        }
    }

    #[test]
    fn a_hit_is_what_is_seen(
        rects in rects(200), t in -50_000_i64..300_000, slack in 0_i64..3000, colors in any_colors(),
    ) {
        let timeline = timeline_of(&rects);
        let t = BASE + t;
        let touching = |from: i64, to: i64| -> Vec<&Rect> {
            let seen = rects.iter().filter(|r| colors.shows(r.prefix));
            seen.filter(|r| r.end_us() > from && r.start_us < to).collect()
        };
        let best = |found: &[&Rect]| {
            let top = found.iter().map(|r| layer(r.action)).max();
            let upper: Vec<_> = found.iter().filter(|r| Some(layer(r.action)) == top).collect();
            let length = upper.iter().map(|r| r.end_us() - r.start_us).max();
            upper.into_iter().find(|r| Some(r.end_us() - r.start_us) == length).map(|r| **r)
        };
        let (exact, near) = (touching(t, t + 1), touching(t - slack, t + slack + 1));
        let hit = timeline.hit(0, t, slack, &colors);
        prop_assert_eq!(hit.map(|h| h.rect), best(&exact).or_else(|| best(&near)));
        prop_assert_eq!(hit.map_or(0, |h| h.others + 1), near.len() as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sums_are_those_of_the_rectangles(
        rects in rects(600), t in -100_000_i64..200_000, span in 1_i64..300_000, colors in any_colors(),
    ) {
        let mut timeline = timeline_of(&rects);
        timeline.add_lane();
        let (from, to) = (BASE + t, BASE + t + span);
        let part = |r: &Rect| r.end_us().min(to) - r.start_us.max(from);
        let seen: Vec<&Rect> = rects.iter().filter(|r| colors.shows(r.prefix) && part(r) > 0).collect();
        let is_task = |r: &Rect| matches!(r.action, Action::Compute | Action::Erred);
        let stats = timeline.stats(&[0, 1], from, to, &colors);
        for id in 0..7_u16 {
            let tasks: Vec<&&Rect> = seen.iter().filter(|r| r.prefix == id && is_task(r)).collect();
            let sum = stats.prefixes.get(usize::from(id)).copied().unwrap_or_default();
            prop_assert_eq!(sum.tasks, tasks.len() as u64);
            prop_assert_eq!(sum.busy_us, tasks.iter().map(|r| part(r)).sum::<i64>());
            prop_assert_eq!(sum.longest_us, tasks.iter().map(|r| r.end_us() - r.start_us).max().unwrap_or(0));
            prop_assert_eq!(sum.erred, tasks.iter().filter(|r| r.action == Action::Erred).count() as u64);
        }
        let transfers = seen.iter().filter(|r| r.action == Action::Transfer);
        prop_assert_eq!(stats.spent_us[Action::Transfer as usize], transfers.map(|r| part(r)).sum::<i64>());
        let busy: i64 = rects.iter().map(|r| part(r).max(0)).sum();
        prop_assert!(stats.lanes <= 1, "the second lane is empty");
        prop_assert_eq!(stats.idle_us, i64::from(stats.lanes) * (span - busy).max(0));

        let mut longest: Vec<u64> = seen.iter().filter(|r| is_task(r)).map(|r| r.duration_us.max(1)).collect();
        longest.sort_by_key(|d| std::cmp::Reverse(*d));
        longest.truncate(5);
        let found = timeline.longest(&[0, 1], from, to, 5, &colors);
        prop_assert_eq!(found.iter().map(|l| l.rect.duration_us.max(1)).collect::<Vec<_>>(), longest);
    }

    #[test]
    fn errors_are_met_one_by_one_both_ways(rects in rects(500), lanes in prop::collection::vec(0_u16..3, 500), colors in any_colors()) {
        let mut timeline = timeline_of(&[]);
        timeline.add_lane();
        timeline.add_lane();
        let mut errors = Vec::new();
        for (rect, lane) in rects.iter().zip(lanes) {
            timeline.push(lane, *rect).expect("a fair rectangle");
            if rect.action == Action::Erred && colors.shows(rect.prefix) {
                errors.push((rect.start_us, lane));
            }
        }
        errors.sort_unstable();
        errors.dedup();
        for back in [false, true] {
            let mut at = if back { (i64::MAX, 0) } else { (i64::MIN, 0) };
            let mut met = Vec::new();
            while let Some(next) = timeline.next_error(&[2, 0, 1], at, back, &colors) {
                at = (next.rect.start_us, next.lane);
                met.push(at);
            }
            if back {
                met.reverse();
            }
            prop_assert_eq!(&met, &errors);
        }
    }
}

#[test]
fn a_covered_pixel_has_exactly_the_colour_and_a_gap_is_clear() {
    let rects: Vec<Rect> = (0..50_i64)
        .map(|i| Rect {
            start_us: BASE + i * 20_000,
            duration_us: 15_000,
            prefix: (i % 5) as u16,
            action: if i % 7 == 0 {
                Action::Erred
            } else {
                Action::Compute
            },
            record: i as u64,
        })
        .collect();
    let timeline = timeline_of(&rects);
    let view = View::fit(BASE as f64, (BASE + 1_000_000) as f64, 900);
    let mut row = vec![[0; 4]; 900];
    raster_row(&timeline, 0, &view, &colors(), &mut row);
    for rect in &rects {
        let middle = row[view.x_of(rect.start_us + 7_500) as usize];
        assert_eq!(middle, colors().of(rect.prefix, rect.action));
        assert_eq!(row[view.x_of(rect.start_us + 17_500) as usize], [0; 4]);
    }
}

#[test]
fn no_error_and_no_transfer_is_lost_among_a_million() {
    let mut timeline = timeline_of(&[]);
    for i in 0..200_000_i64 {
        let action = match i {
            77_777 => Action::Erred,
            150_001 => Action::Transfer,
            _ => Action::Compute,
        };
        let rect = Rect {
            start_us: BASE + i * 1000,
            duration_us: 990,
            prefix: 0,
            action,
            record: i as u64,
        };
        timeline.push(0, rect).expect("a fair rectangle");
    }
    let view = View::fit(BASE as f64, (BASE + 200_000_000) as f64, 400);
    let mut row = vec![[0; 4]; 400];
    raster_row(&timeline, 0, &view, &colors(), &mut row);
    assert_eq!(row[view.column_of(BASE + 77_777_500) as usize], [0, 0, 0, 255]);
    let [r, g, b, _] = colors().of(0, Action::Compute);
    let tinted = row[view.column_of(BASE + 150_001_500) as usize];
    assert!(tinted[0] > r && tinted[1] < g && tinted[2] < b, "{tinted:?}");
    assert_eq!(row[10], [r, g, b, 252], "99 % of the column is busy");
}

#[test]
fn eviction_drops_the_oldest_and_leaves_the_rest_as_it_was() {
    let rects: Vec<Rect> = (0..90_000_i64)
        .map(|i| Rect {
            start_us: BASE + i * 100,
            duration_us: 60 + (i % 31) as u64,
            prefix: (i % 5) as u16,
            action: Action::Compute,
            record: i as u64,
        })
        .collect();
    let mut timeline = timeline_of(&[]);
    let mut surface = Surface::default();
    let view = View::fit(BASE as f64, (BASE + 9_000_000) as f64, 500);
    for part in rects.chunks(7_000) {
        push_all(&mut timeline, part);
        timeline.evict(20_000);
        surface.update(&timeline, &view, &[0], &colors());
        let end = part.last().map_or(0, |r| r.record as usize + 1);
        let here = &rects[end - timeline.rects()..end];
        assert!(here.len() <= 20_000 || end <= 20_000, "{} rectangles", here.len());
        assert_same(surface.pixels(), &naive_row(here, &view, &colors()));
        assert_eq!(
            timeline.bounds(),
            Some((here[0].start_us, here[here.len() - 1].end_us()))
        );
        assert_eq!(timeline.locate(here[0].record).len(), 1);
    }
    assert!(timeline.locate(0).is_empty());
}

#[test]
fn what_can_not_be_placed_is_refused() {
    let mut timeline = Timeline::new(100);
    let rect = Rect {
        start_us: BASE,
        duration_us: 1,
        prefix: 0,
        action: Action::Compute,
        record: 100,
    };
    assert!(timeline.push(0, rect).is_err(), "no lane yet");
    assert_eq!(timeline.add_lane(), 0);
    assert!(timeline.push(0, rect).is_ok());
    for odd in [
        Rect { record: 99, ..rect },
        Rect {
            record: 100 + (1 << 32),
            ..rect
        },
        Rect {
            start_us: i64::MAX,
            ..rect
        },
        Rect {
            start_us: i64::MIN,
            ..rect
        },
        Rect {
            duration_us: u64::MAX,
            ..rect
        },
    ] {
        assert!(timeline.push(0, odd).is_err(), "{odd:?}");
    }
    assert_eq!((timeline.rects(), timeline.lanes()), (1, 1));
}

#[test]
fn a_task_costs_less_than_fifty_bytes() {
    let mut timeline = Timeline::new(0);
    for _ in 0..8 {
        timeline.add_lane();
    }
    for i in 0..200_000_i64 {
        let rect = Rect {
            start_us: BASE + i * 100,
            duration_us: 700,
            prefix: 3,
            action: Action::Compute,
            record: i as u64,
        };
        timeline.push((i % 8) as u16, rect).expect("a fair rectangle");
    }
    let each = timeline.bytes() / 200_000;
    assert!(each <= 30, "{each} bytes a rectangle");
}
