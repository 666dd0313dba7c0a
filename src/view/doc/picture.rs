//! The dependency graph as an SVG picture: a column for each step of the initial sync, an arrow from each map to what it refers to.

use super::Book;
use super::html::escaped;
use crate::view::graph::{Edge, Target};

const BOX_WIDTH: f64 = 196.0;
const BOX_HEIGHT: f64 = 40.0;
const GAP_X: f64 = 96.0;
const GAP_Y: f64 = 14.0;
const MARGIN: f64 = 20.0;
/// Longest name that fits a box, in letters.
const NAME_MAX: usize = 25;
/// Passes that pull each map towards what it refers to.
const PASSES: usize = 4;

/// Where a map stands: column and place in it.
#[derive(Clone, Copy)]
struct Seat {
    column: usize,
    place: f64,
}

impl Seat {
    fn left(self) -> f64 {
        MARGIN + self.column as f64 * (BOX_WIDTH + GAP_X)
    }

    fn top(self) -> f64 {
        MARGIN + self.place * (BOX_HEIGHT + GAP_Y)
    }

    fn middle(self) -> f64 {
        self.top() + BOX_HEIGHT / 2.0
    }
}

pub fn draw(book: &Book<'_>) -> String {
    let columns = columns(book);
    let seats = seats(book, &columns);
    let most = columns.iter().map(Vec::len).max().unwrap_or(0) as f64;
    let width = MARGIN * 2.0 + columns.len() as f64 * (BOX_WIDTH + GAP_X) - GAP_X + 40.0;
    let height = MARGIN * 2.0 + most * (BOX_HEIGHT + GAP_Y) - GAP_Y;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\" aria-labelledby=\"picture-title picture-text\">\n<title id=\"picture-title\">How the maps refer to each other</title>\n\
         <desc id=\"picture-text\">Columns from left to right are the steps of the initial sync. The list below says the same in words.</desc>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path class=\"head\" d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>\n"
    );
    for edge in &book.edges {
        if let Target::Map(to) = edge.to {
            out.push_str(&line(edge, seats[edge.from.index()], seats[to.index()]));
        }
    }
    for (at, seat) in seats.iter().enumerate() {
        out.push_str(&name_box(book, at, *seat));
    }
    out.push_str("</svg>\n");
    out
}

/// A map stands in the column behind all that it refers to; maps of a circle share one.
fn columns(book: &Book<'_>) -> Vec<Vec<usize>> {
    let mut column = vec![0; book.entries.len()];
    for group in &book.checked.program.order {
        let needs = |from: usize| {
            let own = book.edges.iter().filter(move |it| it.from.index() == from);
            own.filter_map(|it| if let Target::Map(to) = it.to { Some(to) } else { None })
        };
        let outside = group.iter().flat_map(|it| needs(it.index())).filter(|it| !group.contains(it));
        let behind = outside.map(|it| column[it.index()] + 1).max().unwrap_or(0);
        group.iter().for_each(|it| column[it.index()] = behind);
    }
    let mut out = vec![Vec::new(); column.iter().max().map_or(0, |it| it + 1)];
    for (at, own) in column.into_iter().enumerate() {
        out[own].push(at);
    }
    out
}

/// Maps of a column in the order of what they refer to, so that few lines cross; each column stands in the middle.
fn seats(book: &Book<'_>, columns: &[Vec<usize>]) -> Vec<Seat> {
    let mut seats = vec![Seat { column: 0, place: 0.0 }; book.entries.len()];
    let most = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut columns = columns.to_vec();
    for _ in 0..PASSES {
        for (number, list) in columns.iter_mut().enumerate() {
            let pull = |at: usize| {
                let (to, from) = book.neighbours(at);
                let near: Vec<f64> = to.iter().chain(&from).map(|&it| seats[it].place).collect();
                if near.is_empty() { seats[at].place } else { near.iter().sum::<f64>() / near.len() as f64 }
            };
            let pulls: Vec<f64> = (0..book.entries.len()).map(pull).collect();
            list.sort_by(|a, b| pulls[*a].total_cmp(&pulls[*b]));
            let lead = (most - list.len()) as f64 / 2.0;
            for (place, &at) in list.iter().enumerate() {
                seats[at] = Seat { column: number, place: lead + place as f64 };
            }
        }
    }
    seats
}

fn line(edge: &Edge, from: Seat, to: Seat) -> String {
    let class = match (edge.is_deferred, edge.in_key) {
        (true, _) => "edge later",
        (false, true) => "edge key",
        (false, false) => "edge",
    };
    let path = if from.column == to.column {
        // Within a circle, and to itself: around the right edge.
        let right = from.left() + BOX_WIDTH;
        let (start, end) =
            if from.place == to.place { (from.middle() - 8.0, to.middle() + 8.0) } else { (from.middle(), to.middle()) };
        format!("M{right:.1} {start:.1} C{0:.1} {start:.1} {0:.1} {end:.1} {right:.1} {end:.1}", right + 44.0)
    } else {
        let (start, end) = (from.left(), to.left() + BOX_WIDTH);
        let bend = GAP_X * 0.55;
        format!(
            "M{start:.1} {0:.1} C{1:.1} {0:.1} {2:.1} {3:.1} {end:.1} {3:.1}",
            from.middle(),
            start - bend,
            end + bend,
            to.middle()
        )
    };
    let rules = escaped(&edge.rules.join(", "));
    format!("<path class=\"{class}\" d=\"{path}\" marker-end=\"url(#head)\"><title>by {rules}</title></path>\n")
}

fn name_box(book: &Book<'_>, at: usize, seat: Seat) -> String {
    let entry = &book.entries[at];
    let (x, y) = (seat.left(), seat.top());
    let whole = crate::view::graph::sides(&book.checked.program, entry.plan);
    format!(
        "<a href=\"{page}.html\"><title>{whole}</title><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BOX_WIDTH}\" height=\"{BOX_HEIGHT}\" rx=\"6\"/>\
         <text x=\"{tx:.1}\" y=\"{ty:.1}\">{name}</text><text class=\"small\" x=\"{tx:.1}\" y=\"{sy:.1}\">{area}</text></a>\n",
        page = entry.page,
        whole = escaped(&whole),
        tx = x + 10.0,
        ty = y + 17.0,
        sy = y + 32.0,
        name = escaped(&short(&entry.plan.name)),
        area = escaped(&short(&super::area(&entry.text.file)))
    )
}

fn short(name: &str) -> String {
    if name.chars().count() <= NAME_MAX {
        return name.to_owned();
    }
    name.chars().take(NAME_MAX - 1).chain(['…']).collect()
}
