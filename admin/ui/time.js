// Times: told in the visitor's own zone and manner, with UTC in the title.

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const words = new Intl.RelativeTimeFormat('en', { numeric: 'always' });
const units = [['year', 365 * 86400], ['month', 30 * 86400], ['day', 86400], ['hour', 3600], ['minute', 60]];

/** "in 3 hours", "2 days ago"; what is less than a minute away is "in a moment" or "just now". Never more than there is. */
export function relative(at, now) {
	const seconds = (at - now) / 1000;
	for (const [unit, length] of units) {
		const count = Math.trunc(seconds / length);
		if (count !== 0) return words.format(count, unit);
	}
	return seconds > 0 ? 'in a moment' : 'just now';
}

/** A <time> element for a time of the API. The style is full, day or relative. */
export function time(iso, style = 'full', now = 0) {
	const at = new Date(iso);
	const element = document.createElement('time');
	element.dateTime = iso;
	element.title = style === 'full' ? utc(at) : `${full.format(at)}\n${utc(at)}`;
	element.textContent = style === 'relative' ? capital(relative(at.getTime(), now)) : (style === 'day' ? day : full).format(at);
	return element;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** A time of the API within a text. */
export const local = (iso) => full.format(new Date(iso));

/** "2026-11-22 22:21:01 UTC" */
const utc = (at) => `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** The value of an <input type="datetime-local"> for a moment, in the visitor's zone. */
export function localInput(at) {
	const shifted = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
	return shifted.toISOString().slice(0, 16);
}
