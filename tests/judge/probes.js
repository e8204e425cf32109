// Questions about the page that is open. Each answers with what is wrong; none changes anything but `enlarge`.
const probes = (() => {
  const numbers = colour => colour.match(/[\d.]+/g).map(Number);
  const over = (top, bottom) => {
    const alpha = top[3] ?? 1;
    return [0, 1, 2].map(n => top[n] * alpha + bottom[n] * (1 - alpha));
  };
  const luminance = colour => {
    const [r, g, b] = colour.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {  // all grounds under a text, the lowest first
    const layers = [];
    for (; element; element = element.parentElement) layers.unshift(numbers(getComputedStyle(element).backgroundColor));
    const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark')
      && matchMedia('(prefers-color-scheme: dark)').matches;
    return layers.reduce((ground, layer) => over(layer, ground), dark ? [18, 18, 18] : [255, 255, 255]);
  };
  const contrast = element => {
    const ground = behind(element), ink = over(numbers(getComputedStyle(element).color), ground);
    const [a, b] = [luminance(ink), luminance(ground)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const shown = element => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
    && [...element.getClientRects()].some(box => box.width > 1 && box.height > 1);
  const words = node => node.data.replace(/[\s\u034f\u200b-\u200f\ufeff]+/g, ' ').trim();
  const texts = () => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walk.nextNode()) if (words(walk.currentNode) && shown(walk.currentNode.parentElement)) found.push(walk.currentNode);
    return found;
  };
  const lines = node => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects()].filter(box => box.width > 2 && box.height > 2);
  };
  const name = element => `${element.localName}.${element.className} ${element.textContent.trim().slice(0, 40)}`;

  return {
    // Every text's contrast with its ground: how many were looked at, and the lowest with its words.
    contrast() {
      const found = texts().map(node => [contrast(node.parentElement), words(node).slice(0, 60)]);
      return { judged: found.length, worst: found.sort((a, b) => a[0] - b[0])[0] };
    },
    // How far anything sticks out to the side, and what does.
    overflow() {
      const width = document.documentElement.clientWidth;
      const wide = [...document.body.querySelectorAll('*')].filter(shown)
        .filter(element => { const r = element.getBoundingClientRect(); return r.right > width + 1 || r.left < -1; });
      return { pixels: document.documentElement.scrollWidth - width, what: wide.slice(-3).map(name) };
    },
    // Where pictures were to be and are not: each must say in readable words what it would show, or take no room.
    holes() {
      return [...document.images].filter(shown).filter(image => {
        const { width, height } = image.getBoundingClientRect();
        if (!image.alt.trim()) return height > 2 && width > 2;
        return contrast(image) < 4.5 || parseFloat(getComputedStyle(image).fontSize) < 11 || width < 20 || height < 11;
      }).map(image => `${image.className} "${image.alt}" ${image.width}x${image.height}`);
    },
    // Texts that begin on the wrong side for their page's direction.
    astray() {
      const away = getComputedStyle(document.documentElement).direction === 'rtl' ? 'left' : 'right';
      const facing = { start: away === 'left' ? 'right' : 'left', end: away };
      return texts().map(node => node.parentElement)
        .filter(element => getComputedStyle(element).textAlign.replace(/start|end/, side => facing[side]) === away
          && !element.closest('[align]')).map(name);
    },
    // The middle of each picture but full-width ones, as distance from the side where lines begin.
    places() {
      const rtl = getComputedStyle(document.documentElement).direction === 'rtl', width = innerWidth;
      return [...document.images].filter(shown).map(image => image.getBoundingClientRect())
        .filter(r => r.width < width / 2).map(r => Math.round(rtl ? width - r.left - r.width / 2 : r.left + r.width / 2));
    },
    // Text twice as large, as a reader may set it; then what is cut off.
    enlarge() {
      const sizes = [document.documentElement, document.body, ...document.body.querySelectorAll('*')].map(element => {
        const { fontSize, lineHeight } = getComputedStyle(element);
        return [element, parseFloat(fontSize), parseFloat(lineHeight)];
      });
      for (const [element, size, line] of sizes) {
        element.style.setProperty('font-size', `${size * 2}px`, 'important');
        if (line) element.style.setProperty('line-height', `${line * 2}px`, 'important');
      }
    },
    clipped() {
      return [...document.body.querySelectorAll('*')].filter(shown).filter(element => {
        const style = getComputedStyle(element);
        const hides = side => ['hidden', 'clip'].includes(style[`overflow${side}`]);
        return (hides('Y') && element.scrollHeight > element.clientHeight + 2 && element.textContent.trim())
          || (hides('X') && element.scrollWidth > element.clientWidth + 2 && element.textContent.trim());
      }).map(name);
    },
    // Texts that lie on one another.
    collisions() {
      const boxes = texts().flatMap(node => lines(node).map(line => [node, line])), found = [];
      boxes.forEach(([one, a], at) => boxes.slice(at + 1, at + 25).forEach(([other, b]) => {
        const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (one !== other && x > 3 && y > Math.min(a.height, b.height) / 2)
          found.push(`${words(one).slice(0, 30)} / ${words(other).slice(0, 30)}`);
      }));
      return found;
    },
    // Fields without a name.
    unnamed: () => [...document.querySelectorAll('input, select, textarea')]
      .filter(field => field.type !== 'hidden' && !field.labels.length && !field.ariaLabel).map(field => field.name),
    // All computed styles of two frames' documents, element by element: where they differ.
    differences() {
      const [one, other] = [...document.querySelectorAll('iframe')].map(frame => frame.contentWindow);
      const all = view => [...view.document.body.querySelectorAll('*'), view.document.body];
      const [first, second] = [all(one), all(other)];
      if (first.length !== second.length) return { judged: 0, found: [`${first.length} and ${second.length} elements`] };
      const found = [];
      first.forEach((element, at) => {
        const [a, b] = [one.getComputedStyle(element), other.getComputedStyle(second[at])];
        for (const property of a) {
          const [value, inlined] = [a.getPropertyValue(property), b.getPropertyValue(property)];
          if (value !== inlined) found.push(`${name(element)}: ${property} ${value} -> ${inlined}`);
        }
      });
      return { judged: first.length, found: found.slice(0, 20) };
    },
  };
})();
