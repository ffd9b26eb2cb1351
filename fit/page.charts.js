/* page.charts.js - what the charts of the page have in common: numbers as words, axes, marks, colours. Chart.js draws. */

const data = JSON.parse(document.getElementById("data").textContent);

/* ---- numbers ---- */

const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function superscript(number) {
	return String(number).replace(/[-0-9]/g, (digit) => SUPERSCRIPT[digit]);
}

/* In JSON "inf", "-inf" and "nan" stand for the numbers that it does not have. */
function number(value) {
	if (typeof value === "number") return value;
	return value === "inf" ? Infinity : value === "-inf" ? -Infinity : NaN;
}

function trimmed(value, digits) {
	return String(Number(value.toPrecision(digits)));
}

/* 3072 is "3.07k" */
function human(value, digits = 3) {
	value = number(value);
	if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : "∞";
	const suffixes = ["", "k", "M", "G", "T"];
	let step = 0;
	while (step < 4 && Math.abs(Number(value.toPrecision(digits))) >= 1000) {
		value /= 1000;
		step++;
	}
	return Math.abs(value) >= 1e4 ? power(value * 1000 ** step) : trimmed(value, digits) + suffixes[step];
}

/* 1.2e13 is "1.2×10¹³" */
function power(value, digits = 2) {
	value = number(value);
	if (!(value > 0) || !Number.isFinite(value)) return value === 0 ? "0" : "–";
	const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
	const short = String(Number(mantissa));
	return (short === "1" ? "10" : short + "×10") + superscript(Number(exponent));
}

function fixed(value, digits = 3) {
	value = number(value);
	return Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : Number.isNaN(value) ? "–" : "∞";
}

function signed(value, digits = 2) {
	return (number(value) > 0 ? "+" : "") + fixed(value, digits);
}

function interval(pair, format = fixed) {
	if (!Array.isArray(pair) || Number.isNaN(number(pair[0])) || Number.isNaN(number(pair[1]))) return "";
	return format(pair[0]) + " to " + format(pair[1]);
}

/* ---- colours and markers: a rung looks the same everywhere ---- */

const MARKERS = [
	{ style: "circle", rotation: 0, size: 1.05 },
	{ style: "rect", rotation: 0, size: 1.35 },
	{ style: "triangle", rotation: 0, size: 1.4 },
	{ style: "rectRot", rotation: 0, size: 1.4 },
	{ style: "triangle", rotation: 180, size: 1.4 },
];
const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");

function isDark() {
	return darkScheme.matches && !document.documentElement.dataset.printing;
}

function colour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

function rungColour(rung) {
	return rung < 0 ? colour("ink") : data.rungs[rung][isDark() ? "dark" : "light"];
}

function faded(hex, alpha) {
	return hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
}

function rungName(rung) {
	const { size, width, depth } = data.rungs[rung];
	return `N = ${human(size)} (d ${width}, L ${depth})`;
}

/* ---- axes ---- */

function evenTicks(low, high) {
	const rough = (high - low) / 6;
	const magnitude = 10 ** Math.floor(Math.log10(rough));
	const step = magnitude * (rough > 7.5 * magnitude ? 10 : rough > 3.5 * magnitude ? 5 : rough > 1.5 * magnitude ? 2 : 1);
	const at = [];
	for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-9); i++) at.push(Number((i * step).toPrecision(12)));
	return at;
}

/* Where a log axis is labelled: decades, or 1-2-5 between them, or even steps when it spans little. */
function logTicks(low, high) {
	for (const steps of [[1], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
		const at = [];
		for (let decade = 10 ** Math.floor(Math.log10(low)); decade <= high; decade *= 10)
			for (const step of steps) if (decade * step >= low * 0.999 && decade * step <= high * 1.001) at.push(decade * step);
		if (at.length >= 4 && high / low > 6) return at;
	}
	return evenTicks(low, high);
}

function axis(title, range, { log = true, format = (value) => trimmed(value, 4) } = {}) {
	return {
		type: log ? "logarithmic" : "linear",
		min: range[0],
		max: range[1],
		title: { display: true, text: title, color: colour("soft") },
		grid: { color: colour("grid"), borderColor: colour("line"), tickColor: colour("line"), drawTicks: true, tickLength: 5 },
		ticks: { color: colour("soft"), callback: format, maxRotation: 0, autoSkipPadding: 12 },
		afterBuildTicks: (scale) => (scale.ticks = (log ? logTicks : evenTicks)(scale.min, scale.max).map((value) => ({ value }))),
	};
}

/* The range of some values, a little wider; `reach` widens the upper end more. */
function rangeOf(values, { log = true, pad = 0.05, reach = 1 } = {}) {
	const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
	if (!usable.length) return log ? [1, 10] : [0, 1];
	let low = usable.reduce((a, b) => Math.min(a, b));
	let high = usable.reduce((a, b) => Math.max(a, b));
	if (log) {
		const factor = high > low ? (high / low) ** pad : 1.3;
		return [low / factor, high * factor * reach];
	}
	const space = high > low ? (high - low) * pad : Math.abs(high) * 0.1 || 1;
	return [low - space, high + space];
}

/* ---- data sets ---- */

/* Measured points of one rung. Hollow ones were left out of the fit. */
function pointSets(points, xOf, yOf, more = {}) {
	const sets = [];
	const scale = Math.min(1, Math.max(0.5, Math.sqrt(150 / points.length))); /* many points take less room each */
	data.rungs.forEach((_, rung) => {
		for (const used of [true, false]) {
			const chosen = points.filter((p) => p.rung === rung && p.fit === used && Number.isFinite(number(yOf(p))));
			if (!chosen.length) continue;
			const marker = MARKERS[rung % MARKERS.length];
			sets.push({
				rung,
				label: rungName(rung),
				data: chosen.map((p) => ({ x: xOf(p), y: yOf(p), row: p, e: more.errorOf ? more.errorOf(p) : undefined })),
				showLine: false,
				pointStyle: marker.style,
				rotation: marker.rotation,
				radius: 4.2 * marker.size * scale,
				hoverRadius: 6.5 * marker.size,
				hitRadius: 5,
				borderWidth: used ? scale : 1.5 * scale,
				borderColor: used ? colour("surface") : rungColour(rung),
				backgroundColor: used ? rungColour(rung) : colour("surface"),
				errorColour: rungColour(rung),
				order: 0,
			});
		}
	});
	return sets;
}

/* A line that is dashed outside [low, high], where there are no points. */
function traceSet(trace, { width = 1.6, tint = rungColour(trace.rung), label = "", endLabel = "" } = {}) {
	return {
		rung: trace.rung >= 0 ? trace.rung : undefined,
		label,
		endLabel,
		data: trace.x.map((x, i) => ({ x, y: trace.y[i] })),
		radius: 0,
		hitRadius: 0,
		hoverRadius: 0,
		borderWidth: width,
		borderColor: tint,
		segment: {
			borderDash: (context) =>
				context.p0.parsed.x < trace.low * 0.999 || context.p1.parsed.x > trace.high * 1.001 ? [3, 4] : undefined,
		},
		order: 1,
	};
}

/* ---- marks that Chart.js does not draw by itself ---- */

const marks = {
	id: "marks",
	beforeDatasetsDraw(chart, _, { bands = [] }) {
		const { ctx, chartArea: area, scales } = chart;
		for (const band of bands) {
			const [from, to] = [band.from, band.to].map((value) => scales[band.axis].getPixelForValue(value));
			ctx.save();
			ctx.beginPath();
			ctx.rect(area.left, area.top, area.width, area.height);
			ctx.clip();
			ctx.fillStyle = band.colour;
			if (band.axis === "x") ctx.fillRect(from, area.top, to - from, area.height);
			else ctx.fillRect(area.left, to, area.width, from - to);
			ctx.restore();
		}
		for (let i = 0; i < chart.data.datasets.length; i++) {
			if (chart.data.datasets[i].errors && chart.isDatasetVisible(i)) drawErrors(chart, i);
		}
	},
	afterDatasetsDraw(chart, _, { lines = [] }) {
		const { ctx, chartArea: area, scales } = chart;
		ctx.save();
		ctx.font = `12px ${colour("sans")}`;
		for (const line of lines) {
			const at = scales[line.axis].getPixelForValue(line.at);
			const horizontal = line.axis === "y";
			if (horizontal ? at < area.top || at > area.bottom : at < area.left || at > area.right) continue;
			ctx.strokeStyle = ctx.fillStyle = line.colour;
			ctx.lineWidth = line.width || 1.25;
			ctx.setLineDash(line.dash || []);
			ctx.beginPath();
			if (horizontal) {
				ctx.moveTo(area.left, at);
				ctx.lineTo(area.right, at);
			} else {
				ctx.moveTo(at, area.top);
				ctx.lineTo(at, area.bottom);
			}
			ctx.stroke();
			if (!line.label) continue;
			ctx.setLineDash([]);
			ctx.strokeStyle = faded(colour("surface"), 0.8); /* keeps the name readable where it meets a curve */
			ctx.lineWidth = 3;
			ctx.lineJoin = "round";
			if (horizontal) {
				const fits = ctx.measureText(line.label).width < area.width - 12;
				ctx.textAlign = "left";
				const below = line.below || at - 18 < area.top;
				ctx.textBaseline = below ? "top" : "bottom";
				write(ctx, fits ? line.label : line.label.split(":")[0], area.left + 6, at + (below ? 4 : -4));
			} else {
				const left = line.left || at + ctx.measureText(line.label).width + 8 > area.right;
				ctx.textAlign = left ? "right" : "left";
				ctx.textBaseline = "top";
				write(ctx, line.label, at + (left ? -5 : 5), area.top + 4);
			}
		}
		ctx.restore();
		drawEndLabels(chart);
		drawBarLabels(chart);
	},
};

function write(ctx, text, x, y) {
	ctx.strokeText(text, x, y);
	ctx.fillText(text, x, y);
}

function drawErrors(chart, index) {
	const { ctx, scales } = chart;
	const set = chart.data.datasets[index];
	ctx.save();
	ctx.strokeStyle = set.errorColour;
	ctx.lineWidth = 1.2;
	for (const point of set.data) {
		if (!point.e || !Number.isFinite(point.e[0]) || !Number.isFinite(point.e[1])) continue;
		const x = scales.x.getPixelForValue(point.x);
		const [low, high] = point.e.map((value) => scales.y.getPixelForValue(value));
		ctx.beginPath();
		ctx.moveTo(x, low);
		ctx.lineTo(x, high);
		for (const y of [low, high]) {
			ctx.moveTo(x - 3, y);
			ctx.lineTo(x + 3, y);
		}
		ctx.stroke();
	}
	ctx.restore();
}

/* Names lines where they end, and leaves a name out rather than print it over another. */
function drawEndLabels(chart) {
	const { ctx, chartArea: area } = chart;
	const taken = [];
	ctx.save();
	ctx.font = `12px ${colour("sans")}`;
	ctx.textBaseline = "middle";
	chart.data.datasets.forEach((set, i) => {
		if (!set.endLabel || !chart.isDatasetVisible(i)) return;
		const inside = chart
			.getDatasetMeta(i)
			.data.filter((p) => p.x <= area.right + 1 && p.y >= area.top && p.y <= area.bottom + 1);
		const last = inside[inside.length - 1];
		if (!last || taken.some((t) => Math.abs(t.y - last.y) < 11 && Math.abs(t.x - last.x) < 70)) return;
		taken.push(last);
		ctx.fillStyle = set.borderColor;
		ctx.textAlign = "left";
		ctx.fillText(set.endLabel, last.x + 6, last.y);
	});
	ctx.restore();
}

/* The value of each bar behind its end, and its interval if it has one. */
function drawBarLabels(chart) {
	const { ctx, scales } = chart;
	const set = chart.data.datasets[0];
	if (!set || !set.barLabels) return;
	ctx.save();
	ctx.font = `600 12px ${colour("sans")}`;
	ctx.fillStyle = ctx.strokeStyle = colour("ink");
	ctx.textBaseline = "middle";
	chart.getDatasetMeta(0).data.forEach((bar, i) => {
		const ends = (set.barErrors[i] || []).map((value) => scales.x.getPixelForValue(value));
		if (ends.length === 2 && ends.every(Number.isFinite)) {
			ctx.beginPath();
			ctx.moveTo(ends[0], bar.y);
			ctx.lineTo(ends[1], bar.y);
			for (const x of ends) {
				ctx.moveTo(x, bar.y - 4);
				ctx.lineTo(x, bar.y + 4);
			}
			ctx.stroke();
		}
		ctx.fillText(set.barLabels[i], Math.max(bar.x, ...ends.filter(Number.isFinite)) + 7, bar.y);
	});
	ctx.restore();
}

/* ---- charts ---- */

const built = []; /* { build, chart }: every chart can be drawn again in the other colours */

function baseOptions() {
	return {
		animation: false,
		responsive: true,
		maintainAspectRatio: false,
		layout: { padding: { right: 8, top: 6 } },
		interaction: { mode: "nearest", intersect: true },
		plugins: {
			legend: { display: false },
			marks: {},
			tooltip: {
				backgroundColor: colour("ink"),
				titleColor: colour("paper"),
				bodyColor: colour("paper"),
				cornerRadius: 8,
				padding: 10,
				boxPadding: 4,
				displayColors: false,
				titleFont: { weight: "600" },
			},
		},
	};
}

function merged(base, more) {
	for (const key of Object.keys(more)) {
		const plain = more[key] && typeof more[key] === "object" && !Array.isArray(more[key]);
		base[key] = plain ? merged(base[key] || {}, more[key]) : more[key];
	}
	return base;
}

function applyHidden(chart) {
	chart.data.datasets.forEach((set, i) => {
		if (set.rung !== undefined) chart.setDatasetVisibility(i, !hiddenRungs.has(set.rung));
	});
}

/* Draws what `build` returns, { type, datasets, labels, options }, into the canvas, now and whenever colours change. */
function addChart(canvas, build) {
	const entry = { canvas, build, chart: null };
	entry.draw = () => {
		if (entry.chart) entry.chart.destroy();
		Chart.defaults.font.family = colour("sans");
		Chart.defaults.font.size = 12;
		const { type = "line", labels, datasets, options } = build();
		entry.chart = new Chart(canvas, {
			type,
			data: { labels, datasets },
			options: merged(baseOptions(), options || {}),
			plugins: [marks],
		});
		applyHidden(entry.chart);
		entry.chart.update("none");
	};
	entry.draw();
	built.push(entry);
	return entry;
}

const hiddenRungs = new Set();

function toggleRung(rung) {
	if (!hiddenRungs.delete(rung)) hiddenRungs.add(rung);
	for (const { chart } of built) {
		applyHidden(chart);
		chart.update("none");
	}
}

function redraw() {
	built.forEach((entry) => entry.draw());
}

darkScheme.addEventListener("change", redraw);
window.addEventListener("beforeprint", () => {
	document.documentElement.dataset.printing = "yes"; /* paper is white */
	redraw();
	built.forEach(({ chart }) => chart.resize(640, 302)); /* the printed frame: A4 less its margins, 80 mm high */
});
window.addEventListener("afterprint", () => {
	delete document.documentElement.dataset.printing;
	redraw();
});
