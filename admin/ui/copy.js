// Copying to the clipboard. Browsers allow it on https and on localhost; elsewhere the text is selected, for the visitor to copy.

import { h, icon, say } from './dom.js';

/** Copies the text of an element and reports whether it is in the clipboard. */
export async function copy(text, element) {
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		getSelection().selectAllChildren(element);
		return false;
	}
}

/** A button beside the element whose text it copies. */
export function copyButton(text, label) {
	return h('button', {
		type: 'button', class: 'square quiet', 'aria-label': label, title: label,
		onclick: async ({ currentTarget }) => {
			say(await copy(text(), currentTarget.previousElementSibling) ? 'Copied.' : 'It is selected: copy it with Ctrl+C or ⌘C.');
		},
	}, icon('copy'));
}
