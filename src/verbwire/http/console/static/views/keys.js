// The key of a row as a person writes it: the last part of its address (verbwire/wire/keys.py reads it back).

/** Return the text of a row's key. */
export function keyText(row, key) {
  const texts = key.map((name) => String(row[name]));
  return texts.length === 1 ? texts[0] : texts.map((each) => each.replaceAll('\\', '\\\\').replaceAll(',', String.raw`\,`)).join(',');
}
