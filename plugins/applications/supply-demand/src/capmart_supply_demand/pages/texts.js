"use strict";

/* Every text of the page in both languages, and the example it opens with. */
const TEXTS = {
  zh: {
    title: "供需撮合", subtitle: "在品类、产能、价格、交期与地区约束下，求满足需求最多且综合成本最低的一对一撮合",
    demands: "需求", offers: "供给", add: "添加一行", remove: "删除", match: "开始撮合", language: "English",
    leadCost: "交期每天折算（元）", regionCost: "跨地区折算（元）", sameRegion: "仅限同地区",
    picture: "撮合关系", matches: "撮合结果与理由", unmatched: "未撮合项与原因", none: "全部撮合成功",
    tileMatches: "满足需求", tileAmount: "成交总额（元）", tileCost: "综合总成本（元）", tilePairs: "可行组合",
    demandLeft: "需求", offerLeft: "供给", noMatch: "没有可行的撮合", unreachable: "无法连接应用",
    method: "方法：线性指派（scipy.optimize.linear_sum_assignment），先求撮合数最多，再求综合成本最低。数据仅在本应用内计算。",
    id: "编号", item: "品类", quantity: "数量", max_price: "最高单价", max_lead_days: "最长交期/天", region: "地区",
    capacity: "产能", price: "单价", lead_days: "交期/天", serves: "可供应地区",
  },
  en: {
    title: "Supply and demand", subtitle: "One to one, as many demands as possible and then at the least cost, within item, capacity, price, lead time and region",
    demands: "Demands", offers: "Offers", add: "Add a row", remove: "Remove", match: "Match", language: "中文",
    leadCost: "A day of lead time, CNY", regionCost: "Another region, CNY", sameRegion: "Same region only",
    picture: "Who goes with whom", matches: "Matches and reasons", unmatched: "Left over, and why", none: "Everything was matched",
    tileMatches: "Demands met", tileAmount: "Total amount, CNY", tileCost: "Cost with preferences, CNY", tilePairs: "Possible pairs",
    demandLeft: "Demand", offerLeft: "Offer", noMatch: "No match is possible", unreachable: "The application cannot be reached",
    method: "Method: linear assignment (scipy.optimize.linear_sum_assignment); as many matches as possible first, least cost then. Everything is computed inside this application.",
    id: "Id", item: "Item", quantity: "Quantity", max_price: "Highest price", max_lead_days: "Longest lead, d", region: "Region",
    capacity: "Capacity", price: "Price", lead_days: "Lead, d", serves: "Regions served",
  },
};

/* Columns of the two tables: name and whether it is a number. */
const COLUMNS = {
  demands: [["id", false], ["item", false], ["quantity", true], ["max_price", true], ["max_lead_days", true], ["region", false]],
  offers: [["id", false], ["item", false], ["capacity", true], ["price", true], ["lead_days", true], ["region", false], ["serves", false]],
};

const EXAMPLE = {
  demands: [
    ["D1", "电机壳体", 500, 42, 20, "台州"],
    ["D2", "电机壳体", 300, 45, 12, "宁波"],
    ["D3", "泵轴", 1000, 18, 30, "台州"],
    ["D4", "阀芯", 200, 25, 10, "温州"],
  ],
  offers: [
    ["S1", "电机壳体", 800, 38, 10, "宁波", ""],
    ["S2", "电机壳体", 600, 40, 15, "台州", ""],
    ["S3", "泵轴", 1500, 16.5, 25, "金华", "台州 金华"],
    ["S4", "泵轴", 900, 15, 20, "台州", ""],
    ["S5", "阀芯", 500, 27, 14, "温州", ""],
  ],
};
