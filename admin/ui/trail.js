// The audit trail of a key, oldest event first, as the log has it.

import * as api from './api.js';
import { attempt } from './dialog.js';
import { $, h } from './dom.js';
import { time } from './time.js';

const trail = $('#trail'), more = $('#trail-more'), failed = $('#trail-error');
let of = '', next = null, nameOf = () => null;

more.addEventListener('click', () => load(next));

/** Shows the trail of a key from its beginning. name makes an element of an actor's id. */
export async function showTrail(id, name) {
	if (of !== id) trail.replaceChildren();
	[of, nameOf] = [id, name];
	await load(0);
}

export function clearTrail() {
	of = '';
	trail.replaceChildren();
}

async function load(after) {
	const id = of;
	const page = await attempt(failed, () => api.events(id, after));
	if (!page || of !== id) return;
	const events = page.events.map(item);
	if (after === 0) trail.replaceChildren(...events);
	else trail.append(...events);
	next = page.next_after;
	more.hidden = next == null;
}

function item(event) {
	return h('li', { class: event.kind },
		h('p', { class: 'what' }, what(event)),
		h('p', { class: 'who' }, time(event.at), ' · ', nameOf(event.actor), event.request_id && [' · request ', h('code', { text: event.request_id })]));
}

/** The key that took the place of one that was rolled. */
const replaced = (details) => (details.successor ? [', replaced by ', nameOf(details.successor)] : []);

/** What happened, in words. A kind that this page does not know is told by its name and its details. */
function what({ kind, at, details }) {
	const d = details ?? {};
	switch (kind) {
		case 'created':
			return d.origin ? `Created (${d.origin})` : 'Created';
		case 'updated':
			return d.fields ? `Changed: ${d.fields.replaceAll(',', ', ').replaceAll('_', ' ')}` : 'Saved without a change';
		case 'revoked':
			if (d.already) return 'Revoked once more';
			if (Date.parse(d.revoked_at) > Date.parse(at)) return ['Revocation set for ', time(d.revoked_at), ...replaced(d)];
			return ['Revoked', ...replaced(d), d.reason && `: ${d.reason}`, d.source && `, found at ${d.source}`];
		case 'rolled':
			return d.rolled_from ? ['Made by rolling ', nameOf(d.rolled_from)] : 'Rolled';
		case 'linked':
			return d.sales_channels ? `Sales channels: ${d.sales_channels.replaceAll(',', ', ')}` : 'Sales channels: none';
		case 'deleted':
			return 'Deleted';
		case 'upgraded':
			return 'First used here: the imported hash was replaced';
		default:
			return [kind, ...Object.entries(d).map(([name, value]) => ` · ${name}: ${value}`)].join('');
	}
}
