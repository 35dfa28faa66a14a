//! Which stretch of time the task stream shows, and how it follows what arrives.

use timeline::View;

/// While everything fits in one of these, following shows everything; then it shows the last of them. Microseconds.
const SPANS: [f64; 10] = [0.5e6, 1e6, 2e6, 5e6, 10e6, 15e6, 20e6, 30e6, 45e6, 60e6];
/// Share of the window that stays free beyond the data.
const MARGIN: f64 = 0.02;
/// Share of the window that still has to hold data after panning.
const HOLD: f64 = 0.1;

/// Width of what was jumped to, pixels, at least.
const SEEN_PX: f64 = 6.0;

/// A window on time that follows the newest task or stays where it was put.
#[derive(Clone, Copy, Debug)]
pub struct Camera {
    view: View,
    /// Earliest start and latest end of what there is.
    bounds: Option<(i64, i64)>,
    mode: Mode,
    /// The zoom as it was wished for; a view can only come near it.
    us_per_px: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// The newest task is in view; the window is as long as it has to be, or as the user chose (microseconds).
    Following {
        span: Option<f64>,
    },
    /// Everything there is, also while more is read.
    Whole,
    Free,
}

impl Camera {
    /// `now_us`: what to show while there is nothing; `whole`: whether to begin with everything instead of the newest.
    pub fn new(now_us: f64, whole: bool) -> Self {
        let us_per_px = 10_000.0;
        let view = View::around(now_us, 0.0, us_per_px, 1);
        Self {
            view,
            bounds: None,
            mode: if whole {
                Mode::Whole
            } else {
                Mode::Following { span: None }
            },
            us_per_px,
        }
    }

    pub fn view(&self) -> View {
        self.view
    }

    pub fn following(&self) -> bool {
        matches!(self.mode, Mode::Following { .. })
    }

    /// The window got another width; it shows the same time.
    pub fn resize(&mut self, width: u32) {
        if width == self.view.width() || width == 0 {
            return;
        }
        let (t0, t1) = (self.view.t_of(0.0), self.view.t_of(self.width()));
        if self.mode == Mode::Free {
            self.show(t0, t1, width);
        } else {
            self.view = self.view.resized(width);
            self.place();
        }
    }

    /// Other data is there.
    pub fn set_bounds(&mut self, bounds: Option<(i64, i64)>) {
        if self.bounds != bounds {
            self.bounds = bounds;
            self.place();
        }
    }

    /// Follows from now on: over everything, or over the last minute.
    pub fn follow(&mut self) {
        self.mode = Mode::Following { span: None };
        self.place();
    }

    /// Stands still, or follows.
    pub fn toggle(&mut self) {
        if self.following() {
            self.mode = Mode::Free;
        } else {
            self.follow();
        }
    }

    /// Brings a moment into the middle, and something that lasts `least_us` to a width at which it can be seen.
    pub fn center(&mut self, t_us: f64, least_us: f64) {
        self.mode = Mode::Free;
        self.us_per_px = self.us_per_px.min((least_us / SEEN_PX).max(1.0));
        let width = self.view.width();
        self.view = View::around(t_us, f64::from(width) / 2.0, self.us_per_px, width);
    }

    /// Shows everything there is.
    pub fn fit(&mut self) {
        self.mode = Mode::Free;
        self.show_all();
    }

    fn show_all(&mut self) {
        if let Some((start, end)) = self.bounds {
            let margin = (end - start) as f64 * MARGIN;
            self.show(start as f64 - margin, end as f64 + margin, self.view.width());
        }
    }

    /// Shows a stretch of time, microseconds since the Unix epoch.
    pub fn show_between(&mut self, t0_us: f64, t1_us: f64) {
        self.mode = Mode::Free;
        if t1_us > t0_us {
            self.show(t0_us, t1_us, self.view.width());
        }
    }

    /// Pulls the content along by pixels; following ends.
    pub fn pan(&mut self, dx: f64) {
        self.mode = Mode::Free;
        self.view = self.held(self.view.panned(-dx.round() as i64));
    }

    /// Moves the window by a share of its own length; following ends.
    pub fn step(&mut self, share: f64) {
        self.pan(-share * self.width());
    }

    /// Shows the earliest, or the latest.
    pub fn jump(&mut self, latest: bool) {
        self.mode = Mode::Free;
        if let Some((start, end)) = self.bounds {
            let width = self.width();
            self.view = if latest {
                self.view.placed(end as f64, width * (1.0 - MARGIN))
            } else {
                self.view.placed(start as f64, width * MARGIN)
            };
        }
    }

    /// Makes time `factor` times as long on the screen, around column `x`; while following, around the newest.
    pub fn zoom(&mut self, x: f64, factor: f64) {
        let widest = self
            .bounds
            .map_or(60e6, |(start, end)| 3.0 * (end - start) as f64 + 1e6)
            / self.width();
        let us_per_px = (self.us_per_px / factor).clamp(1.0, widest.max(1.0));
        if let Mode::Following { span } = &mut self.mode {
            *span = Some(us_per_px * f64::from(self.view.width()));
            self.place();
            return;
        }
        self.mode = Mode::Free;
        let t = self.view.t_of(x);
        self.us_per_px = us_per_px;
        self.view = self.held(View::around(t, x, us_per_px, self.view.width()));
    }

    fn width(&self) -> f64 {
        f64::from(self.view.width())
    }

    fn show(&mut self, t0: f64, t1: f64, width: u32) {
        self.view = View::fit(t0, t1, width);
        self.us_per_px = self.view.us_per_px();
    }

    /// Puts the window where it has to be by itself.
    fn place(&mut self) {
        if self.mode == Mode::Whole {
            self.show_all();
        }
        let (Mode::Following { span }, Some((start, end))) = (self.mode, self.bounds) else {
            return;
        };
        let (start, end) = (start as f64, end as f64);
        let whole = (end - start) * (1.0 + 2.0 * MARGIN);
        let last = SPANS[SPANS.len() - 1];
        let span = span.unwrap_or_else(|| SPANS.into_iter().find(|span| *span >= whole).unwrap_or(last));
        self.us_per_px = span / self.width();
        let (anchor, x) = if whole <= span {
            (start, MARGIN)
        } else {
            (end, 1.0 - MARGIN)
        };
        self.view = View::around(anchor, x * self.width(), self.us_per_px, self.view.width());
    }

    /// Keeps some of the data in the window.
    fn held(&self, view: View) -> View {
        let Some((start, end)) = self.bounds else {
            return view;
        };
        let width = f64::from(view.width());
        if view.t_of(width * (1.0 - HOLD)) < start as f64 {
            view.placed(start as f64, width * (1.0 - HOLD))
        } else if view.t_of(width * HOLD) > end as f64 {
            view.placed(end as f64, width * HOLD)
        } else {
            view
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_334_646_000_000;

    fn camera(seconds: i64) -> Camera {
        let mut camera = Camera::new(START as f64, false);
        camera.resize(1000);
        camera.set_bounds(Some((START, START + seconds * 1_000_000)));
        camera
    }

    fn holds(camera: &Camera, t_us: i64) -> bool {
        let view = camera.view();
        (view.t0_us()..view.t1_us()).contains(&t_us)
    }

    #[test]
    fn following_shows_everything_and_then_the_last_minute() {
        let mut camera = camera(9);
        assert!(holds(&camera, START) && holds(&camera, START + 9_000_000));
        let scale = camera.view().us_per_px();
        camera.set_bounds(Some((START, START + 9_500_000)));
        assert_eq!(
            camera.view().us_per_px(),
            scale,
            "a span of ten seconds has room for it"
        );
        camera.set_bounds(Some((START, START + 300_000_000)));
        assert!(!holds(&camera, START) && holds(&camera, START + 299_999_999));
        assert!((camera.view().us_per_px() * 1000.0 - 60e6).abs() < 1e5);
    }

    #[test]
    fn what_is_over_is_shown_whole_while_it_is_read() {
        let mut camera = Camera::new(START as f64, true);
        camera.resize(1000);
        for seconds in [10, 400, 3000] {
            camera.set_bounds(Some((START, START + seconds * 1_000_000)));
            assert!(!camera.following() && holds(&camera, START));
            assert!(holds(&camera, START + seconds * 1_000_000));
        }
        camera.zoom(500.0, 2.0);
        camera.set_bounds(Some((START, START + 9_000_000_000)));
        assert!(!holds(&camera, START + 9_000_000_000));
    }

    #[test]
    fn panning_ends_following_and_keeps_data_in_view() {
        let mut camera = camera(9);
        camera.pan(50.0);
        assert!(!camera.following());
        let view = camera.view();
        camera.set_bounds(Some((START, START + 20_000_000)));
        assert_eq!(camera.view(), view);
        for _ in 0..100 {
            camera.pan(500.0);
        }
        assert!(holds(&camera, START));
        camera.follow();
        assert!(camera.following() && holds(&camera, START + 19_999_999));
    }

    #[test]
    fn zooming_keeps_the_moment_under_the_pointer() {
        let mut camera = camera(9);
        camera.show_between(START as f64, START as f64 + 9e6);
        let before = camera.view().t_of(300.0);
        for _ in 0..60 {
            camera.zoom(300.0, 1.03);
        }
        let shift = (camera.view().t_of(300.0) - before).abs() / camera.view().us_per_px();
        assert!(shift < 4.0, "{shift} px");
        assert!(camera.view().us_per_px() < 9e6 / 1000.0 / 5.0);
    }

    #[test]
    fn zooming_while_following_keeps_the_newest() {
        let mut camera = camera(50);
        camera.zoom(10.0, 8.0);
        assert!(
            camera.following() && holds(&camera, START + 49_999_999) && !holds(&camera, START + 30_000_000)
        );
    }

    #[test]
    fn a_jump_shows_what_it_went_to() {
        let mut camera = camera(50);
        camera.fit();
        camera.center(START as f64 + 20e6, 1000.0);
        assert!((camera.view().x_of(START + 20_000_000) - 500.0).abs() < 2.0);
        assert!(camera.view().us_per_px() <= 1000.0 / SEEN_PX + 1.0);
        camera.toggle();
        assert!(camera.following());
        camera.toggle();
        assert!(!camera.following());
    }

    #[test]
    fn fit_and_jumps_reach_both_ends() {
        let mut camera = camera(500);
        camera.fit();
        assert!(holds(&camera, START) && holds(&camera, START + 499_999_999));
        camera.zoom(500.0, 20.0);
        camera.jump(false);
        assert!(holds(&camera, START));
        camera.jump(true);
        assert!(holds(&camera, START + 499_999_999) && !holds(&camera, START));
    }
}
