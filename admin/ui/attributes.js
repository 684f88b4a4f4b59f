// The attributes of a key, each in one row: all that the forms and the details know of it.

import { readScopes, readText, readTitle } from './checks.js';
import { Chips } from './chips.js';
import { now } from './clock.js';
import { copyButton } from './copy.js';
import { all } from './dialog.js';
import { $, h } from './dom.js';
import { time } from './time.js';
import { expiries, When } from './when.js';

/**
 * The rows are in the order of the forms and of the details.
 *
 * own: Medusa does not have the attribute; answers show it only when they are asked for it.
 * show(key, actor): what the details show beside the label, null for nothing. actor makes an
 * element of the id of a key or a person.
 * create, edit: make the field of that form, {read, fill}. read returns the value to send, null for
 * none, or throws Faults; fill shows a key's value, and is needed for edit alone.
 */
const attributes = [
	{ name: 'title', create: titleField, edit: titleField },
	{
		name: 'description', own: true, label: 'Description', create: textArea, edit: textArea,
		placeholder: 'Who uses it, and whom to ask (optional)',
		show: (key) => (key.description ? h('bdi', { class: 'lines', text: key.description }) : null),
	},
	{
		name: 'token', label: 'Token',
		show: (key) => (key.token ? copyable(key.token, 'Copy the token') : h('code', { text: key.redacted })),
	},
	{ name: 'id', label: 'Id', show: (key) => copyable(key.id, 'Copy the id') },
	{
		name: 'scopes', own: true, label: 'Scopes', create: scopesField,
		show: (key) => (key.scopes == null ? 'Full access' : tags(key.scopes, 'None: it may do nothing')),
	},
	{
		name: 'sales_channels', label: 'Sales channels',
		show: (key) => (key.type === 'publishable' ? tags(key.sales_channels.map(channel), 'None') : null),
	},
	{ name: 'allowed_cidrs', own: true, label: 'Addresses', show: (key) => tags(key.allowed_cidrs ?? []) },
	{
		name: 'rate_limit', own: true, label: 'Rate limit',
		show: (key) => (key.rate_limit ? `${key.rate_limit.requests} requests in ${key.rate_limit.window} s` : null),
	},
	{
		name: 'metadata', own: true, label: 'Metadata',
		show: (key) => tags(Object.entries(key.metadata ?? {}).map(([name, value]) => `${name}: ${value}`)),
	},
	{
		name: 'expires_at', own: true, label: 'Expires', create: expiryField,
		show: (key) => (key.expires_at ? time(key.expires_at) : 'Never'),
	},
	{
		name: 'revoked_at', label: (key) => (Date.parse(key.revoked_at) > now() ? 'Ends' : 'Revoked'),
		show: (key, actor) => (key.revoked_at ? [time(key.revoked_at), ', by ', actor(key.revoked_by)] : null),
	},
	{ name: 'last_used_at', label: 'Last used', show: (key) => (key.last_used_at ? time(key.last_used_at) : 'Never') },
	{ name: 'created_at', label: 'Created', show: (key, actor) => [time(key.created_at), ', by ', actor(key.created_by)] },
	{ name: 'rolled_from', own: true, label: 'Rolled from', show: (key, actor) => (key.rolled_from ? actor(key.rolled_from) : null) },
];

/** Those to ask for, beside what answers show anyway. */
export const own = attributes.filter((a) => a.own).map((a) => a.name);

/** What there is to show of a key: [label, what]. */
export const facts = (key, actor) => attributes.filter((a) => a.show)
	.map(({ label, show }) => [typeof label === 'function' ? label(key) : label, show(key, actor)])
	.filter(([, value]) => value != null);

/**
 * Makes the fields of a form; kind is create or edit. read returns {name: value} or throws Faults,
 * fill shows a key.
 */
export function fields(form, kind) {
	const rows = attributes.filter((a) => a[kind]).map((a) => ({ name: a.name, ...a[kind](form, a) }));
	return {
		read() {
			const values = all(...rows.map((row) => row.read));
			return Object.fromEntries(rows.map(({ name }, i) => [name, values[i]]));
		},
		fill: (key) => rows.forEach((row) => row.fill(key[row.name])),
	};
}

const copyable = (text, label) => h('span', { class: 'copyable' }, h('code', { text }), copyButton(() => text, label));

const tag = (word) => h('span', { class: 'tag' }, h('bdi', { text: word }));
const tags = (words, none = null) => (words.length > 0 ? h('span', { class: 'tags' }, words.map(tag)) : none);

const channel = ({ id, name }) => (name === id ? id : `${name} (${id})`);

function titleField(form) {
	const input = form.elements.title;
	return { read: () => readTitle(input), fill: (title) => { input.value = title; } };
}

/** A text of several lines, below the title. */
function textArea(form, { name, label, placeholder }) {
	const id = `${form.closest('dialog').id}-${name}`, told = `${id}-error`;
	const input = h('textarea', { id, name, rows: 3, placeholder, 'aria-describedby': told });
	$('[data-attributes]', form).append(h('div', { class: 'field', 'data-field': name },
		h('label', { for: id, text: label }), input, h('p', { class: 'error', id: told })));
	return { read: () => readText(input, name) || null, fill: (text) => { input.value = text ?? ''; } };
}

/** Full access, or a list of scopes. */
function scopesField(form) {
	const place = $('#create-scopes'), chips = new Chips(place);
	const isRestricted = () => form.elements.access.value === 'scopes';
	const arrange = () => { place.hidden = $('#create-scopes-hint').hidden = !isRestricted(); };
	form.addEventListener('reset', () => queueMicrotask(arrange)); // the event comes before the reset
	form.addEventListener('change', arrange);
	return { read: () => (isRestricted() ? readScopes(chips.words) : null) };
}

function expiryField(form, { name, label }) {
	const when = new When($(`[data-field=${name}]`, form), label, expiries);
	return {
		read() {
			const end = when.read();
			return end === Infinity ? null : new Date(end).toISOString();
		},
	};
}
