//! The time bar of a recording: the moment that all its panes on the page show.

use protocol::live::Topics;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use super::PlotProps;
use crate::draw::scale::zone_us;
use crate::draw::units::time_of_day;
use crate::state::live::{Live, use_live};
use crate::ui::format;

/// Steps of the bar at least, and how long each is where that gives more, microseconds: an arrow key goes one step.
const STEPS: i64 = 200;
const STEP_US: i64 = 1_000_000;

/// What the bar shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bar {
    /// First and last moment; the two are equal where there is nothing to move through.
    first_us: i64,
    last_us: i64,
    /// `None` for the end.
    at_us: Option<i64>,
    /// Whether the panes show that moment already.
    there: bool,
}

impl Bar {
    fn of(live: &Live) -> Option<Self> {
        let (first_us, last_us) = live.span?;
        Some(Self {
            first_us,
            last_us,
            at_us: live.at,
            there: live.at == live.answered,
        })
    }

    fn length_us(&self) -> i64 {
        self.last_us - self.first_us
    }

    fn steps(&self) -> i64 {
        (self.length_us() / STEP_US).max(STEPS)
    }

    /// The moment of a step; the last one is the end.
    fn moment(&self, step: i64) -> Option<i64> {
        let share = step as f64 / self.steps() as f64;
        (step < self.steps()).then(|| self.first_us + (self.length_us() as f64 * share) as i64)
    }

    /// The step that is nearest to what is shown.
    fn step(&self) -> i64 {
        let Some(at_us) = self.at_us else {
            return self.steps();
        };
        let share = (at_us - self.first_us) as f64 / self.length_us().max(1) as f64;
        (share * self.steps() as f64).round() as i64
    }

    /// The moment by the local clock, and how far into the recording it is.
    fn words(&self, zone_us: i64) -> (String, String) {
        let at_us = self.at_us.unwrap_or(self.last_us);
        let gone = format::duration((at_us - self.first_us) / 1_000);
        (
            time_of_day(at_us, zone_us, 1_000_000),
            match self.at_us {
                Some(_) => format!("{gone} of {}", format::duration(self.length_us() / 1_000)),
                None => format!("end, {gone}"),
            },
        )
    }
}

#[component]
pub fn Scrub(props: &PlotProps) -> Html {
    let client = use_live(&props.base_url, &props.cluster);
    let bar = use_state_eq(|| Bar::of(&client.read()));
    {
        let (client, bar) = (client.clone(), bar.setter());
        use_effect_with((), move |()| {
            let told = client.clone();
            let heard = client.subscribe(Topics::default(), move || bar.set(Bar::of(&told.read())));
            move || drop(heard)
        });
    }
    let Some(bar) = bar.filter(|bar| bar.length_us() > 0) else {
        return Html::default();
    };
    let oninput = Callback::from(move |event: InputEvent| {
        // What a slider tells is a whole number between its ends.
        if let Ok(step) = event.target_unchecked_into::<HtmlInputElement>().value().parse() {
            client.seek(bar.moment(step));
        }
    });
    let (time, into) = bar.words(zone_us());
    let at_us = bar.at_us.unwrap_or(bar.last_us);
    let whole = js_sys::Date::new(&(at_us as f64 / 1e3).into())
        .to_locale_string("default", &wasm_bindgen::JsValue::UNDEFINED);
    html! {
        <div
            class="gh-scrub"
            data-testid="scrub"
            data-at={at_us.to_string()}
            data-there={if bar.there { "true" } else { "false" }}
        >
            <input
                type="range"
                min="0"
                max={bar.steps().to_string()}
                step="1"
                value={bar.step().to_string()}
                aria-label={format!("Moment of the recording of {}", props.label)}
                aria-valuetext={format!("{time}, {into}")}
                title="Moment that the panes of this recording show: arrow keys, page keys, Home and End move it"
                {oninput}
                data-testid="scrub-range"
            />
            <span class="gh-scrub-time gh-figure" title={String::from(whole)} aria-hidden="true">
                <b>{time}</b>
                <span>{into}</span>
            </span>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: i64 = 1_795_334_646_893_921;

    fn bar(length_us: i64, at_us: Option<i64>) -> Bar {
        Bar {
            first_us: BEGAN,
            last_us: BEGAN + length_us,
            at_us,
            there: true,
        }
    }

    #[test]
    fn steps_are_seconds_or_a_part_of_a_short_recording() {
        assert_eq!(bar(3_600_000_000, None).steps(), 3_600);
        assert_eq!(bar(20_000_000, None).steps(), 200);
        for length in [1, 977, 20_000_000, 86_400_000_123] {
            let bar = bar(length, None);
            assert_eq!(
                (bar.moment(0), bar.moment(bar.steps())),
                (Some(BEGAN), None),
                "{length}"
            );
        }
    }

    #[test]
    fn a_step_leads_to_its_moment_and_back() {
        let whole = bar(754_321_987, None);
        assert_eq!(whole.step(), whole.steps());
        for step in 0..whole.steps() {
            assert_eq!(bar(754_321_987, whole.moment(step)).step(), step);
        }
    }

    #[test]
    fn a_moment_is_told_by_the_clock() {
        let hour = 3_600_000_000;
        assert_eq!(
            bar(hour, Some(BEGAN + 125_000_000)).words(hour),
            ("09:06:11".to_owned(), "2 m 05 s of 1 h 00 m".to_owned())
        );
        assert_eq!(bar(hour, None).words(0).1, "end, 1 h 00 m");
    }
}
