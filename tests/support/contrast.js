// Every visible text whose contrast with what is behind it is below 4.5 to 1 (WCAG 2.2, 1.4.3).
(() => {
  const selectors = "h1, h2, h3, th, td, p, dt, dd, button, figcaption, summary, pre span, .status, .badge, code";
  const channels = (colour) => (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  const over = ([r, g, b, alpha = 1], under) =>
    [r, g, b].map((channel, index) => channel * alpha + under[index] * (1 - alpha));
  const luminance = (colour) =>
    colour
      .map((channel) => channel / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(channels(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const contrast = (node) => {
    const back = behind(node);
    const front = over(channels(getComputedStyle(node).color), back);
    const [light, dark] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  return [...document.querySelectorAll(selectors)]
    .filter((node) => node.checkVisibility() && node.textContent.trim() && contrast(node) < 4.5)
    .map((node) => [contrast(node).toFixed(2), node.outerHTML.slice(0, 120)]);
})()
